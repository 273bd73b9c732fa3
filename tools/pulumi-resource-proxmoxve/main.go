// Command pulumi-resource-proxmoxve is the Proxmox VE provider for the emulated lab: the upstream Terraform provider
// bpg/terraform-provider-proxmox behind the Pulumi Terraform bridge, with the type tokens and property names of the
// PyPI package pulumi_proxmoxve.
//
// On real hardware Pulumi downloads the published plugin and this program is not used.
//
//	pulumi-resource-proxmoxve schema --out DIR   writes schema.json and bridge-metadata.json
//	pulumi-resource-proxmoxve [ENGINE]           serves the provider; both files lie beside the executable
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bpg/terraform-provider-proxmox/fwprovider"
	sdk "github.com/bpg/terraform-provider-proxmox/proxmoxtf/provider"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	pfgen "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

const (
	packageName = "proxmoxve"
	// packageVersion is that of the PyPI package whose tokens are mapped.
	packageVersion     = "8.6.0"
	upstreamVersion    = "0.112.0"
	upstreamRepository = "https://github.com/bpg/terraform-provider-proxmox"

	maximumNameLength = 255

	schemaFile   = "schema.json"
	metadataFile = "bridge-metadata.json"
)

// resourceTokens names the resources that are served; every other upstream resource is left out of the schema, so the
// engine refuses it by name.
var resourceTokens = map[string]tokens.Type{
	"proxmox_acl":                      "proxmoxve:index/acl:Acl",
	"proxmox_backup_job":               "proxmoxve:backup/job:Job",
	"proxmox_ceph_pool":                "proxmoxve:ceph/pool:Pool",
	"proxmox_download_file":            "proxmoxve:download/file:File",
	"proxmox_hardware_mapping_pci":     "proxmoxve:hardware/mapping/pci:Pci",
	"proxmox_pool_membership":          "proxmoxve:pool/membership:Membership",
	"proxmox_storage_cifs":             "proxmoxve:storage/cifs:Cifs",
	"proxmox_storage_directory":        "proxmoxve:storage/directory:Directory",
	"proxmox_storage_lvm":              "proxmoxve:storage/lvm:Lvm",
	"proxmox_storage_nfs":              "proxmoxve:storage/nfs:Nfs",
	"proxmox_storage_pbs":              "proxmoxve:storage/pbs:Pbs",
	"proxmox_user_token":               "proxmoxve:user/token:Token",
	"proxmox_virtual_environment_pool": "proxmoxve:index/poolLegacy:PoolLegacy",
	"proxmox_virtual_environment_role": "proxmoxve:index/roleLegacy:RoleLegacy",
	"proxmox_virtual_environment_user": "proxmoxve:index/userLegacy:UserLegacy",
	"proxmox_virtual_environment_vm":   "proxmoxve:index/vmLegacy:VmLegacy",
}

func provider(metadata []byte) tfbridge.ProviderInfo {
	upstream := pf.MuxShimWithPF(
		context.Background(),
		shimv2.NewProvider(sdk.ProxmoxVirtualEnvironment()),
		fwprovider.New(upstreamVersion)(),
	)
	info := tfbridge.ProviderInfo{
		P:                 upstream,
		Name:              packageName,
		ResourcePrefix:    "proxmox",
		Version:           packageVersion,
		GitHubOrg:         "bpg",
		TFProviderVersion: upstreamVersion,
		MetadataInfo:      tfbridge.NewProviderMetadata(metadata),
		Resources:         map[string]*tfbridge.ResourceInfo{},
		DataSources:       map[string]*tfbridge.DataSourceInfo{},
	}
	upstream.ResourcesMap().Range(func(name string, resource shim.Resource) bool {
		if token, known := resourceTokens[name]; known {
			info.Resources[name] = mapped(token, resource)
		} else {
			info.IgnoreMappings = append(info.IgnoreMappings, name)
		}
		return true
	})
	// As the published plugin does: a resource without a name gets one from its Pulumi name.
	info.SetAutonaming(maximumNameLength, "-")
	upstream.DataSourcesMap().Range(func(name string, _ shim.Resource) bool {
		info.IgnoreMappings = append(info.IgnoreMappings, name)
		return true
	})
	return info
}

// mapped gives the resource its token. Upstream resources whose user chooses the `id` have it as `resourceId`, as in the
// PyPI package: Pulumi keeps `id` for itself.
func mapped(token tokens.Type, resource shim.Resource) *tfbridge.ResourceInfo {
	info := &tfbridge.ResourceInfo{Tok: token}
	id, declared := resource.Schema().GetOk("id")
	if declared && (id.Required() || id.Optional()) {
		info.Fields = map[string]*tfbridge.SchemaInfo{"id": {Name: "resourceId"}}
		info.ComputeID = tfbridge.DelegateIDField("resourceId", packageName, upstreamRepository)
	}
	return info
}

func missingMappings(info tfbridge.ProviderInfo) error {
	var missing []error
	for name := range resourceTokens {
		if _, served := info.Resources[name]; !served {
			missing = append(missing, fmt.Errorf("upstream %s has no resource %s", upstreamVersion, name))
		}
	}
	return errors.Join(missing...)
}

func run() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	directory := filepath.Dir(executable)
	metadata, err := os.ReadFile(filepath.Join(directory, metadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		metadata = []byte("{}")
	} else if err != nil {
		return err
	}
	info := provider(metadata)
	if len(os.Args) > 1 && os.Args[1] == "schema" {
		if err := missingMappings(info); err != nil {
			return err
		}
		pfgen.MainWithMuxer(packageName, info)
		return nil
	}
	schema, err := os.ReadFile(filepath.Join(directory, schemaFile))
	if err != nil {
		return fmt.Errorf("%w: run `%s schema --out %s` first", err, filepath.Base(executable), directory)
	}
	pf.MainWithMuxer(context.Background(), packageName, info, schema)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-proxmoxve:", err)
		os.Exit(1)
	}
}
