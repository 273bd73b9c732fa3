package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/compatibility"
	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
	"github.com/siderolabs/talos/pkg/machinery/config/validation"
)

type configurationArguments struct {
	ClusterName       string         `json:"clusterName"`
	ClusterEndpoint   string         `json:"clusterEndpoint"`
	KubernetesVersion string         `json:"kubernetesVersion"`
	TalosVersion      string         `json:"talosVersion"`
	MachineType       string         `json:"machineType"`
	MachineSecrets    machineSecrets `json:"machineSecrets"`
	ConfigPatches     []string       `json:"configPatches"`
	Docs              bool           `json:"docs"`
	Examples          bool           `json:"examples"`
}

type configurationResult struct {
	MachineConfiguration string `json:"machineConfiguration"`
}

// generateConfiguration makes the machine configuration of one node; the patches are applied in order.
func generateConfiguration(arguments configurationArguments) (configurationResult, error) {
	var result configurationResult

	kubernetesVersion := strings.TrimPrefix(arguments.KubernetesVersion, "v")
	if err := compatible(kubernetesVersion, arguments.TalosVersion); err != nil {
		return result, err
	}

	contract, err := contractOf(arguments.TalosVersion)
	if err != nil {
		return result, err
	}

	bundle, err := toBundle(arguments.MachineSecrets)
	if err != nil {
		return result, fmt.Errorf("machine secrets: %w", err)
	}

	machineType, err := machine.ParseType(arguments.MachineType)
	if err != nil {
		return result, err
	}

	if machineType != machine.TypeControlPlane && machineType != machine.TypeWorker {
		return result, fmt.Errorf("machine type %q: must be controlplane or worker", arguments.MachineType)
	}

	input, err := generate.NewInput(
		arguments.ClusterName,
		arguments.ClusterEndpoint,
		kubernetesVersion,
		generate.WithVersionContract(contract),
		generate.WithSecretsBundle(bundle),
	)
	if err != nil {
		return result, err
	}

	generated, err := input.Config(machineType)
	if err != nil {
		return result, err
	}

	var comments encoder.CommentsFlags
	if arguments.Docs {
		comments |= encoder.CommentsDocs
	}

	if arguments.Examples {
		comments |= encoder.CommentsExamples
	}

	text, err := patched(configpatcher.WithConfig(generated), arguments.ConfigPatches, comments)
	result.MachineConfiguration = string(text)

	return result, err
}

// compatible refuses a Kubernetes version that the Talos version does not run.
func compatible(kubernetesVersion, talosVersion string) error {
	kubernetes, err := compatibility.ParseKubernetesVersion(kubernetesVersion)
	if err != nil {
		return err
	}

	talos, err := compatibility.ParseTalosVersion(&machineapi.VersionInfo{Tag: talosVersion})
	if err != nil {
		return err
	}

	return kubernetes.SupportedWith(talos)
}

func patched(input configpatcher.Input, texts []string, comments encoder.CommentsFlags) ([]byte, error) {
	patches, err := configpatcher.LoadPatches(texts)
	if err != nil {
		return nil, fmt.Errorf("config patches: %w", err)
	}

	output, err := configpatcher.Apply(input, patches)
	if err != nil {
		return nil, fmt.Errorf("config patches: %w", err)
	}

	complete, err := output.Config()
	if err != nil {
		return nil, err
	}

	return complete.EncodeBytes(encoder.WithComments(comments))
}

type patchArguments struct {
	MachineConfiguration string   `json:"machineConfiguration"`
	ConfigPatches        []string `json:"configPatches"`
}

// patchConfiguration applies patches to a complete machine configuration.
func patchConfiguration(arguments patchArguments) (configurationResult, error) {
	text, err := patched(
		configpatcher.WithBytes([]byte(arguments.MachineConfiguration)), arguments.ConfigPatches, encoder.CommentsDisabled,
	)

	return configurationResult{MachineConfiguration: string(text)}, err
}

type inspectArguments struct {
	MachineConfiguration string `json:"machineConfiguration"`
}

type inspectResult struct {
	Warnings  []string         `json:"warnings"`
	Documents []map[string]any `json:"documents"`
}

// bareMachine is the strictest mode: it demands an install disk, which a cloud image could do without until its first
// upgrade.
type bareMachine struct{}

func (bareMachine) String() string        { return "metal" }
func (bareMachine) RequiresInstall() bool { return true }
func (bareMachine) InContainer() bool     { return false }

// inspectConfiguration validates a machine configuration as a machine does before it takes it, and gives its documents.
func inspectConfiguration(arguments inspectArguments) (inspectResult, error) {
	var result inspectResult

	text := []byte(arguments.MachineConfiguration)

	provider, err := configloader.NewFromBytes(text)
	if err != nil {
		return result, err
	}

	if result.Warnings, err = validate(provider); err != nil {
		return result, err
	}

	decoder := yaml.NewDecoder(bytes.NewReader(text))

	for {
		var document map[string]any

		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return result, nil
		}

		if err != nil {
			return result, err
		}

		result.Documents = append(result.Documents, document)
	}
}

func validate(provider config.Provider) ([]string, error) {
	if provider.Machine() == nil || provider.Cluster() == nil {
		return nil, errors.New("the configuration has no machine and cluster section (v1alpha1)")
	}

	warnings, err := provider.Validate(bareMachine{}, validation.WithLocal())
	if warnings == nil {
		warnings = []string{}
	}

	return warnings, err
}
