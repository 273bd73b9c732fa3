"""One good object of each bundle, with a field to misspell and one to give the wrong type."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from twin.kubernetes.api import Object

Step = str | int


@dataclass(frozen=True)
class Example:
    """An object that the API server must take, and two ways to spoil it."""

    api_version: str
    kind: str
    content: Mapping[str, Any]
    """What stands beside the metadata."""
    misspelt: tuple[Step, ...]
    """Path of a field that is then written with one letter too much."""
    mistyped: tuple[Step, ...]
    """Path of a field that is then given a list of a list, which no field of these is."""

    def good(self) -> Object:
        """The object as it should be."""
        metadata = {"name": "example", "namespace": "default"}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **deepcopy(dict(self.content))}

    def with_misspelt_field(self) -> Object:
        """The object with a field that the kind does not have."""
        body = self.good()
        parent, last = _walk(body, self.misspelt)
        parent[f"{last}x"] = parent.pop(last)
        return body

    def with_mistyped_field(self) -> Object:
        """The object with a field of the wrong type."""
        body = self.good()
        parent, last = _walk(body, self.mistyped)
        parent[last] = [["wrong"]]
        return body


def _walk(body: Object, path: tuple[Step, ...]) -> tuple[Any, Any]:
    parent: Any = body
    for step in path[:-1]:
        parent = parent[step]
    assert path[-1] in parent
    return parent, path[-1]


_CONTAINER: Final = {"image": "docker.io/library/debian:12", "command": ["date"]}
_S3_KEYS: Final = {
    "accessKeyId": {"name": "bucket", "key": "access_key"},
    "secretAccessKey": {"name": "bucket", "key": "secret_key"},
}

EXAMPLES: Final[Mapping[str, Example]] = {
    "amd-gpu": Example(
        "amd.com/v1alpha1",
        "DeviceConfig",
        {
            "spec": {
                "driver": {"enable": False},
                "devicePlugin": {
                    "enableNodeLabeller": True,
                    "devicePluginTolerations": [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
                },
                "metricsExporter": {"enable": True, "serviceType": "ClusterIP"},
                "selector": {"feature.node.kubernetes.io/amd-gpu": "true"},
            }
        },
        misspelt=("spec", "devicePlugin", "devicePluginTolerations", 0, "operator"),
        mistyped=("spec", "driver", "enable"),
    ),
    "argo-cd": Example(
        "argoproj.io/v1alpha1",
        "Application",
        {
            "spec": {
                "project": "base",
                "source": {
                    "repoURL": "https://charts.example.org",
                    "chart": "example",
                    "targetRevision": "1.2.3",
                    "helm": {"releaseName": "example", "valuesObject": {"any": [{"value": 1}]}},
                },
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "example"},
                "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 10}},
            }
        },
        misspelt=("spec", "source", "targetRevision"),
        mistyped=("spec", "syncPolicy", "automated", "prune"),
    ),
    "argo-events": Example(
        "argoproj.io/v1alpha1",
        "Sensor",
        {
            "spec": {
                "dependencies": [{"name": "push", "eventSourceName": "forgejo", "eventName": "push"}],
                "triggers": [
                    {
                        "template": {
                            "name": "build",
                            "argoWorkflow": {
                                "operation": "submit",
                                "source": {"resource": {"kind": "Workflow", "spec": {"any": ["value"]}}},
                            },
                        },
                        "retryStrategy": {"steps": 3, "duration": "10s", "factor": 2.0},
                    }
                ],
            }
        },
        misspelt=("spec", "dependencies", 0, "eventSourceName"),
        mistyped=("spec", "triggers", 0, "template", "name"),
    ),
    "argo-workflows": Example(
        "argoproj.io/v1alpha1",
        "CronWorkflow",
        {
            "spec": {
                "schedules": ["0 */6 * * *"],
                "timezone": "America/Denver",
                "concurrencyPolicy": "Forbid",
                "workflowSpec": {
                    "entrypoint": "main",
                    "templates": [
                        {"name": "main", "steps": [[{"name": "first", "template": "run"}]]},
                        {"name": "run", "container": _CONTAINER},
                    ],
                },
            }
        },
        misspelt=("spec", "workflowSpec", "templates", 0, "steps", 0, 0, "template"),
        mistyped=("spec", "workflowSpec", "entrypoint"),
    ),
    "barman-cloud": Example(
        "barmancloud.cnpg.io/v1",
        "ObjectStore",
        {
            "spec": {
                "configuration": {
                    "destinationPath": "s3://cnpg-backups/v1",
                    "endpointURL": "http://s3.example:8333",
                    "s3Credentials": _S3_KEYS,
                    "wal": {"compression": "gzip", "maxParallel": 2},
                },
                "retentionPolicy": "30d",
            }
        },
        misspelt=("spec", "configuration", "endpointURL"),
        mistyped=("spec", "configuration", "wal", "maxParallel"),
    ),
    "cert-manager": Example(
        "cert-manager.io/v1",
        "Certificate",
        {
            "spec": {
                "secretName": "example",
                "dnsNames": ["example.org"],
                "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"},
                "privateKey": {"rotationPolicy": "Always"},
            }
        },
        misspelt=("spec", "dnsNames"),
        mistyped=("spec", "issuerRef", "name"),
    ),
    "cilium": Example(
        "cilium.io/v2alpha1",
        "CiliumL2AnnouncementPolicy",
        {
            "spec": {
                "nodeSelector": {"matchLabels": {"machine_tier": "standard"}},
                "interfaces": ["^eth0$"],
                "loadBalancerIPs": True,
                "externalIPs": True,
            }
        },
        misspelt=("spec", "loadBalancerIPs"),
        mistyped=("spec", "externalIPs"),
    ),
    "cloudflare-operator": Example(
        "networking.cfargotunnel.com/v1alpha1",
        "TunnelBinding",
        {
            "subjects": [{"name": "docs", "spec": {"fqdn": "docs.example.org", "target": "http://docs.docs.svc:80"}}],
            "tunnelRef": {"kind": "ClusterTunnel", "name": "external"},
        },
        misspelt=("subjects", 0, "spec", "target"),
        mistyped=("tunnelRef", "name"),
    ),
    "cloudnative-pg": Example(
        "postgresql.cnpg.io/v1",
        "Cluster",
        {
            "spec": {
                "instances": 1,
                "imageName": "ghcr.io/cloudnative-pg/postgresql:17.5",
                "storage": {"storageClass": "csi-rbd-sc", "size": "2Gi"},
                "bootstrap": {"initdb": {"database": "example", "owner": "example"}},
                "plugins": [
                    {"name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": True, "parameters": {"any": "value"}}
                ],
            }
        },
        misspelt=("spec", "plugins", 0, "isWALArchiver"),
        mistyped=("spec", "instances"),
    ),
    "dragonfly": Example(
        "dragonflydb.io/v1alpha1",
        "Dragonfly",
        {
            "spec": {
                "replicas": 1,
                "args": ["--cluster_mode=emulated"],
                "resources": {"requests": {"cpu": "100m", "memory": "320Mi"}, "limits": {"memory": "640Mi", "cpu": 1}},
            }
        },
        misspelt=("spec", "replicas"),
        mistyped=("spec", "resources", "requests"),
    ),
    "external-secrets": Example(
        "external-secrets.io/v1",
        "ExternalSecret",
        {
            "spec": {
                "refreshInterval": "30m",
                "secretStoreRef": {"name": "vault-backend", "kind": "ClusterSecretStore"},
                "target": {"name": "example"},
                "data": [{"secretKey": "password", "remoteRef": {"key": "default/example", "property": "password"}}],
            }
        },
        misspelt=("spec", "data", 0, "remoteRef", "property"),
        mistyped=("spec", "refreshInterval"),
    ),
    "external-snapshotter": Example(
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotClass",
        {"driver": "rbd.csi.ceph.com", "deletionPolicy": "Delete", "parameters": {"clusterID": "example"}},
        misspelt=("parameters",),
        mistyped=("driver",),
    ),
    "intel-device-plugins": Example(
        "deviceplugin.intel.com/v1",
        "GpuDevicePlugin",
        {
            "spec": {
                "image": "docker.io/intel/intel-gpu-plugin:0.34.0",
                "sharedDevNum": 4,
                "nodeSelector": {"intel.feature.node.kubernetes.io/gpu": "true"},
            }
        },
        misspelt=("spec", "sharedDevNum"),
        mistyped=("spec", "nodeSelector"),
    ),
    "k8up": Example(
        "k8up.io/v1",
        "Schedule",
        {
            "spec": {
                "backend": {
                    "repoPasswordSecretRef": {"name": "backup", "key": "password"},
                    "s3": {"endpoint": "http://s3.example:8333", "bucket": "k8up-backups"},
                },
                "backup": {"schedule": "0 */12 * * *", "keepJobs": 2},
                "prune": {"schedule": "30 3 * * 0", "retention": {"keepLast": 5, "keepDaily": 2}},
            }
        },
        misspelt=("spec", "prune", "retention", "keepDaily"),
        mistyped=("spec", "backup", "keepJobs"),
    ),
    "kube-elasti": Example(
        "elasti.truefoundry.com/v1alpha1",
        "ElastiService",
        {
            "spec": {
                "service": "qwen",
                "minTargetReplicas": 1,
                "cooldownPeriod": 1800,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "deployments", "name": "qwen"},
                "triggers": [{"type": "prometheus", "metadata": {"query": "1", "threshold": "1"}}],
            }
        },
        misspelt=("spec", "cooldownPeriod"),
        mistyped=("spec", "minTargetReplicas"),
    ),
    "node-feature-discovery": Example(
        "nfd.k8s-sigs.io/v1alpha1",
        "NodeFeatureRule",
        {
            "spec": {
                "rules": [
                    {
                        "name": "amdgpu",
                        "labels": {"feature.node.kubernetes.io/amd-gpu": "true"},
                        "matchFeatures": [
                            {"feature": "kernel.loadedmodule", "matchExpressions": {"amdgpu": {"op": "Exists"}}}
                        ],
                    }
                ]
            }
        },
        misspelt=("spec", "rules", 0, "matchFeatures", 0, "matchExpressions"),
        mistyped=("spec", "rules", 0, "labels"),
    ),
    "prometheus-operator": Example(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        {
            "spec": {
                "selector": {"matchLabels": {"app": "example"}},
                "endpoints": [{"port": "metrics", "interval": "300s"}],
            }
        },
        misspelt=("spec", "endpoints", 0, "interval"),
        mistyped=("spec", "endpoints", 0, "port"),
    ),
    "traefik": Example(
        "traefik.io/v1alpha1",
        "IngressRoute",
        {
            "spec": {
                "entryPoints": ["websecure"],
                "routes": [
                    {
                        "kind": "Rule",
                        "match": "Host(`example.org`)",
                        "middlewares": [{"name": "forwardauth-authelia", "namespace": "traefik"}],
                        "services": [{"name": "example", "port": 80}],
                    }
                ],
                "tls": {},
            }
        },
        misspelt=("spec", "routes", 0, "middlewares"),
        mistyped=("spec", "routes", 0, "match"),
    ),
    "vault-operator": Example(
        "vault.banzaicloud.com/v1alpha1",
        "Vault",
        {
            "spec": {
                "size": 1,
                "image": "docker.io/hashicorp/vault:1.19.3",
                "serviceAccount": "vault",
                "volumeMounts": [{"name": "vault-file", "mountPath": "/vault/file"}],
                "unsealConfig": {"options": {"secretShares": 5, "secretThreshold": 3}},
                "config": {"storage": {"file": {"path": "/vault/file"}}, "api_addr": "https://vault.vault:8200"},
                "externalConfig": {"policies": [{"name": "read", "rules": "path {}"}]},
            }
        },
        misspelt=("spec", "unsealConfig", "options", "secretShares"),
        mistyped=("spec", "serviceAccount"),
    ),
}
"""By bundle."""
