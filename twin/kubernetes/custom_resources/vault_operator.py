"""The Vault operator of Bank-Vaults: a server, how it is unsealed, and what is configured inside it."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    ANYTHING,
    BOOLEAN,
    LABELS,
    RESOURCES,
    TEXT,
    TOLERATION,
    VARIABLE,
    VOLUME_MOUNT,
    definition,
    integer,
    items,
    mapping,
    structure,
)

_UNSEAL: Final = structure(
    {
        "options": structure(
            {
                "preFlightChecks": BOOLEAN,
                "storeRootToken": BOOLEAN,
                "secretShares": integer(minimum=0),
                "secretThreshold": integer(minimum=0),
            }
        ),
        "kubernetes": structure({"secretNamespace": TEXT, "secretName": TEXT}),
        # Keys kept elsewhere than in the cluster.
        **dict.fromkeys(("alibaba", "aws", "azure", "google", "hsm", "vault"), ANYTHING),
    }
)

_CONTAINERS: Final = ("vault", "bankVaults", "hsmDaemon", "prometheusExporter", "fluentd")

DEFINITIONS: Final = (
    definition(
        "vault.banzaicloud.com/v1alpha1",
        "Vault",
        "vaults",
        structure(
            {
                "spec": structure(
                    {
                        "size": integer(),
                        "image": TEXT,
                        "bankVaultsImage": TEXT,
                        "bankVaultsVolumeMounts": items(VOLUME_MOUNT),
                        # The server's own settings, and what the operator writes into it: the operator takes any.
                        "config": ANYTHING,
                        "externalConfig": ANYTHING,
                        "unsealConfig": _UNSEAL,
                        "credentialsConfig": structure(
                            {"env": TEXT, "path": TEXT, "secretName": TEXT}, "env", "path", "secretName"
                        ),
                        "envsConfig": items(VARIABLE),
                        "vaultEnvsConfig": items(VARIABLE),
                        "sidecarEnvsConfig": items(VARIABLE),
                        "annotations": LABELS,
                        "vaultAnnotations": LABELS,
                        "vaultLabels": LABELS,
                        "vaultPodSpec": ANYTHING,
                        "vaultContainerSpec": ANYTHING,
                        "vaultContainers": items(ANYTHING),
                        "vaultInitContainers": items(ANYTHING),
                        "vaultConfigurerAnnotations": LABELS,
                        "vaultConfigurerLabels": LABELS,
                        "vaultConfigurerPodSpec": ANYTHING,
                        "watchedSecretsAnnotations": items(LABELS),
                        "watchedSecretsLabels": items(LABELS),
                        "securityContext": ANYTHING,
                        "serviceAccount": TEXT,
                        "serviceType": TEXT,
                        "loadBalancerIP": TEXT,
                        "servicePorts": mapping(integer()),
                        "serviceMonitorEnabled": BOOLEAN,
                        "serviceRegistrationEnabled": BOOLEAN,
                        "raftLeaderAddress": TEXT,
                        "affinity": ANYTHING,
                        "nodeAffinity": ANYTHING,
                        "podAntiAffinity": TEXT,
                        "nodeSelector": LABELS,
                        "tolerations": items(TOLERATION),
                        "volumes": items(ANYTHING),
                        "volumeMounts": items(VOLUME_MOUNT),
                        "volumeClaimTemplates": items(ANYTHING),
                        "resources": structure(dict.fromkeys(_CONTAINERS, RESOURCES)),
                        "ingress": structure({"annotations": LABELS, "spec": ANYTHING}),
                        "existingTlsSecretName": TEXT,
                        "tlsExpiryThreshold": TEXT,
                        "tlsAdditionalHosts": items(TEXT),
                        "caNamespaces": items(TEXT),
                        "statsdDisabled": BOOLEAN,
                        "statsdImage": TEXT,
                        "statsdConfig": TEXT,
                        "fluentdEnabled": BOOLEAN,
                        "fluentdImage": TEXT,
                        "fluentdConfLocation": TEXT,
                        "fluentdConfFile": TEXT,
                        "fluentdConfig": TEXT,
                        "istioEnabled": BOOLEAN,
                        "veleroEnabled": BOOLEAN,
                        "veleroFsfreezeImage": TEXT,
                    },
                    "config",
                ),
                "status": structure(
                    {
                        "nodes": items(TEXT),
                        "leader": TEXT,
                        "conditions": items(
                            structure({"type": TEXT, "status": TEXT, "message": TEXT, "error": TEXT}, "type", "status")
                        ),
                    },
                    "leader",
                    "nodes",
                ),
            }
        ),
    ),
)
