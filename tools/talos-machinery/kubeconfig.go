package main

import (
	stdx509 "crypto/x509"
	"encoding/base64"
	"errors"
	"time"

	"github.com/siderolabs/crypto/x509"
	"go.yaml.in/yaml/v4"

	"github.com/siderolabs/talos/pkg/machinery/config/configloader"
)

// clockSkew is how far the clocks of the cluster may be behind.
const clockSkew = 10 * time.Second

type kubeconfigArguments struct {
	// MachineConfiguration of a control-plane node: it holds the key of the Kubernetes certificate authority.
	MachineConfiguration string `json:"machineConfiguration"`
}

type kubeconfigResult struct {
	KubeconfigRaw                 string                `json:"kubeconfigRaw"`
	KubernetesClientConfiguration kubernetesCredentials `json:"kubernetesClientConfiguration"`
	ClusterName                   string                `json:"clusterName"`
}

type kubernetesCredentials struct {
	Host              string `json:"host"`
	CACertificate     []byte `json:"caCertificate"`
	ClientCertificate []byte `json:"clientCertificate"`
	ClientKey         []byte `json:"clientKey"`
}

// kubeconfig is the part of the file's format that an administrator's file has.
type kubeconfig struct {
	APIVersion     string         `yaml:"apiVersion"`
	Kind           string         `yaml:"kind"`
	Clusters       []namedCluster `yaml:"clusters"`
	Users          []namedUser    `yaml:"users"`
	Contexts       []namedContext `yaml:"contexts"`
	CurrentContext string         `yaml:"current-context"`
}

type namedCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		Server string `yaml:"server"`
		CA     string `yaml:"certificate-authority-data"`
	} `yaml:"cluster"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User struct {
		Certificate string `yaml:"client-certificate-data"`
		Key         string `yaml:"client-key-data"`
	} `yaml:"user"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster   string `yaml:"cluster"`
		User      string `yaml:"user"`
		Namespace string `yaml:"namespace"`
	} `yaml:"context"`
}

// newKubeconfig signs an administrator's certificate with the cluster's own authority, as a control plane does when it
// is asked for a kubeconfig.
func newKubeconfig(arguments kubeconfigArguments) (kubeconfigResult, error) {
	var result kubeconfigResult

	provider, err := configloader.NewFromBytes([]byte(arguments.MachineConfiguration))
	if err != nil {
		return result, err
	}

	cluster := provider.Cluster()
	if cluster == nil || cluster.IssuingCA() == nil || len(cluster.IssuingCA().Key) == 0 {
		return result, errors.New("only a control-plane node has the key of the Kubernetes certificate authority")
	}

	authority, err := x509.NewCertificateAuthorityFromCertificateAndKey(cluster.IssuingCA())
	if err != nil {
		return result, err
	}

	settings := cluster.AdminKubeconfig()
	now := time.Now()

	pair, err := x509.NewKeyPair(
		authority,
		x509.CommonName(settings.CommonName()),
		x509.Organization(settings.CertOrganization()),
		x509.NotBefore(now.Add(-clockSkew)),
		x509.NotAfter(now.Add(settings.CertLifetime())),
		x509.KeyUsage(stdx509.KeyUsageDigitalSignature|stdx509.KeyUsageKeyEncipherment),
		x509.ExtKeyUsage([]stdx509.ExtKeyUsage{stdx509.ExtKeyUsageClientAuth}),
	)
	if err != nil {
		return result, err
	}

	signed := x509.NewCertificateAndKeyFromKeyPair(pair)
	result.ClusterName = cluster.Name()
	result.KubernetesClientConfiguration = kubernetesCredentials{
		Host:              cluster.Endpoint().String(),
		CACertificate:     cluster.IssuingCA().Crt,
		ClientCertificate: signed.Crt,
		ClientKey:         signed.Key,
	}
	result.KubeconfigRaw, err = writeKubeconfig(cluster.Name(), result.KubernetesClientConfiguration)

	return result, err
}

func writeKubeconfig(name string, credentials kubernetesCredentials) (string, error) {
	encode := base64.StdEncoding.EncodeToString
	user := "admin@" + name
	file := kubeconfig{APIVersion: "v1", Kind: "Config", CurrentContext: user}

	var cluster namedCluster

	cluster.Name = name
	cluster.Cluster.Server = credentials.Host
	cluster.Cluster.CA = encode(credentials.CACertificate)

	var admin namedUser

	admin.Name = user
	admin.User.Certificate = encode(credentials.ClientCertificate)
	admin.User.Key = encode(credentials.ClientKey)

	var selected namedContext

	selected.Name = user
	selected.Context.Cluster = name
	selected.Context.User = user
	selected.Context.Namespace = "default"

	file.Clusters = []namedCluster{cluster}
	file.Users = []namedUser{admin}
	file.Contexts = []namedContext{selected}

	text, err := yaml.Marshal(file)

	return string(text), err
}
