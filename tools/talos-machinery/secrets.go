package main

import (
	"fmt"
	"time"

	"github.com/siderolabs/crypto/x509"
	clientconfig "github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/generate/secrets"
	"github.com/siderolabs/talos/pkg/machinery/constants"
	"github.com/siderolabs/talos/pkg/machinery/gendata"
	"github.com/siderolabs/talos/pkg/machinery/role"
)

// The names of machineSecrets and clientCredentials are those of the Pulumi provider. PEM material is a byte slice,
// which JSON carries in base64, as the provider does.

type machineSecrets struct {
	Certs struct {
		Etcd              certificate `json:"etcd"`
		K8s               certificate `json:"k8s"`
		K8sAggregator     certificate `json:"k8sAggregator"`
		K8sServiceAccount key         `json:"k8sServiceaccount"`
		OS                certificate `json:"os"`
	} `json:"certs"`
	Cluster struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	} `json:"cluster"`
	Secrets struct {
		BootstrapToken            string `json:"bootstrapToken"`
		SecretboxEncryptionSecret string `json:"secretboxEncryptionSecret"`
		AESCBCEncryptionSecret    string `json:"aescbcEncryptionSecret,omitempty"`
	} `json:"secrets"`
	TrustdInfo struct {
		Token string `json:"token"`
	} `json:"trustdinfo"`
}

type certificate struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

type key struct {
	Key []byte `json:"key"`
}

type clientCredentials struct {
	CACertificate     []byte `json:"caCertificate"`
	ClientCertificate []byte `json:"clientCertificate"`
	ClientKey         []byte `json:"clientKey"`
}

type secretsArguments struct {
	TalosVersion string `json:"talosVersion"`
}

type secretsResult struct {
	MachineSecrets      machineSecrets    `json:"machineSecrets"`
	ClientConfiguration clientCredentials `json:"clientConfiguration"`
}

// newSecrets makes the secrets of a new cluster and the credentials of its Talos administrator.
func newSecrets(arguments secretsArguments) (secretsResult, error) {
	var result secretsResult

	contract, err := contractOf(arguments.TalosVersion)
	if err != nil {
		return result, err
	}

	bundle, err := secrets.NewBundle(secrets.NewFixedClock(time.Now()), contract)
	if err != nil {
		return result, err
	}

	admin, err := bundle.GenerateTalosAPIClientCertificate(role.MakeSet(role.Admin))
	if err != nil {
		return result, err
	}

	result.MachineSecrets = fromBundle(bundle)
	result.ClientConfiguration = clientCredentials{
		CACertificate:     bundle.Certs.OS.Crt,
		ClientCertificate: admin.Crt,
		ClientKey:         admin.Key,
	}

	return result, nil
}

func contractOf(talosVersion string) (*config.VersionContract, error) {
	contract, err := config.ParseContractFromVersion(talosVersion)
	if err != nil {
		return nil, err
	}

	library, err := config.ParseContractFromVersion(gendata.VersionTag)
	if err != nil {
		return nil, err
	}

	if contract.Greater(library) {
		return nil, fmt.Errorf("Talos %s is newer than this library, which knows up to %s", talosVersion, library)
	}

	return contract, nil
}

func fromBundle(bundle *secrets.Bundle) machineSecrets {
	var out machineSecrets

	out.Certs.Etcd = certificate{Cert: bundle.Certs.Etcd.Crt, Key: bundle.Certs.Etcd.Key}
	out.Certs.K8s = certificate{Cert: bundle.Certs.K8s.Crt, Key: bundle.Certs.K8s.Key}
	out.Certs.K8sAggregator = certificate{Cert: bundle.Certs.K8sAggregator.Crt, Key: bundle.Certs.K8sAggregator.Key}
	out.Certs.K8sServiceAccount = key{Key: bundle.Certs.K8sServiceAccount.Key}
	out.Certs.OS = certificate{Cert: bundle.Certs.OS.Crt, Key: bundle.Certs.OS.Key}
	out.Cluster.ID = bundle.Cluster.ID
	out.Cluster.Secret = bundle.Cluster.Secret
	out.Secrets.BootstrapToken = bundle.Secrets.BootstrapToken
	out.Secrets.SecretboxEncryptionSecret = bundle.Secrets.SecretboxEncryptionSecret
	out.Secrets.AESCBCEncryptionSecret = bundle.Secrets.AESCBCEncryptionSecret
	out.TrustdInfo.Token = bundle.TrustdInfo.Token

	return out
}

func toBundle(in machineSecrets) (*secrets.Bundle, error) {
	pair := func(c certificate) *x509.PEMEncodedCertificateAndKey {
		return &x509.PEMEncodedCertificateAndKey{Crt: c.Cert, Key: c.Key}
	}

	bundle := &secrets.Bundle{
		Clock:   secrets.NewFixedClock(time.Now()),
		Cluster: &secrets.Cluster{ID: in.Cluster.ID, Secret: in.Cluster.Secret},
		Secrets: &secrets.Secrets{
			BootstrapToken:            in.Secrets.BootstrapToken,
			SecretboxEncryptionSecret: in.Secrets.SecretboxEncryptionSecret,
			AESCBCEncryptionSecret:    in.Secrets.AESCBCEncryptionSecret,
		},
		TrustdInfo: &secrets.TrustdInfo{Token: in.TrustdInfo.Token},
		Certs: &secrets.Certs{
			Etcd:              pair(in.Certs.Etcd),
			K8s:               pair(in.Certs.K8s),
			K8sAggregator:     pair(in.Certs.K8sAggregator),
			K8sServiceAccount: &x509.PEMEncodedKey{Key: in.Certs.K8sServiceAccount.Key},
			OS:                pair(in.Certs.OS),
		},
	}

	return bundle, bundle.Validate()
}

type clientConfigurationArguments struct {
	ClusterName         string            `json:"clusterName"`
	ClientConfiguration clientCredentials `json:"clientConfiguration"`
	Endpoints           []string          `json:"endpoints"`
	Nodes               []string          `json:"nodes"`
}

type clientConfigurationResult struct {
	TalosConfig string `json:"talosConfig"`
}

// clientConfiguration writes the file that talosctl reads.
func clientConfiguration(arguments clientConfigurationArguments) (clientConfigurationResult, error) {
	credentials := arguments.ClientConfiguration
	written := clientconfig.NewConfig(
		arguments.ClusterName,
		arguments.Endpoints,
		credentials.CACertificate,
		&x509.PEMEncodedCertificateAndKey{Crt: credentials.ClientCertificate, Key: credentials.ClientKey},
	)
	written.Contexts[arguments.ClusterName].Nodes = arguments.Nodes

	text, err := written.Bytes()

	return clientConfigurationResult{TalosConfig: string(text)}, err
}

type libraryResult struct {
	Version           string `json:"version"`
	KubernetesVersion string `json:"kubernetesVersion"`
}

// libraryVersion tells what is used where a caller names no version.
func libraryVersion(struct{}) (libraryResult, error) {
	return libraryResult{Version: gendata.VersionTag, KubernetesVersion: constants.DefaultKubernetesVersion}, nil
}
