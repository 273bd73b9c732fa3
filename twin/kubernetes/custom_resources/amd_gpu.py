"""AMD's GPU operator: driver, device plugin, node labeller, metrics and tests of the nodes that a selector finds."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    ANYTHING,
    BOOLEAN,
    LABELS,
    REFERENCE,
    TEXT,
    TOLERATION,
    Schema,
    definition,
    integer,
    items,
    mapping,
    one_of,
    structure,
)

_IMAGE: Final[dict[str, Schema]] = {
    "image": TEXT,
    "imagePullPolicy": TEXT,
    "imageRegistrySecret": REFERENCE,
}
_PLACED: Final[dict[str, Schema]] = {
    "selector": LABELS,
    "tolerations": items(TOLERATION),
    "upgradePolicy": ANYTHING,
}
_DEPLOYED: Final = structure(
    {"nodesMatchingSelectorNumber": integer(), "desiredNumber": integer(), "availableNumber": integer()}
)

_DRIVER: Final = structure(
    {
        "enable": {**BOOLEAN, "default": True},
        "blacklist": BOOLEAN,
        "version": TEXT,
        "image": TEXT,
        "imageRegistrySecret": REFERENCE,
        "imageRegistryTLS": structure({"insecure": BOOLEAN, "insecureSkipTLSVerify": BOOLEAN}),
        "imageSign": structure({"keySecret": REFERENCE, "certSecret": REFERENCE}),
        "imageBuild": ANYTHING,
        "amdgpuInstallerRepoURL": TEXT,
        "tolerations": items(TOLERATION),
        "upgradePolicy": ANYTHING,
    }
)
_DEVICE_PLUGIN: Final = structure(
    {
        "enableDevicePlugin": BOOLEAN,
        "devicePluginImage": TEXT,
        "devicePluginImagePullPolicy": TEXT,
        "devicePluginArguments": LABELS,
        "devicePluginTolerations": items(TOLERATION),
        "enableNodeLabeller": {**BOOLEAN, "default": True},
        "nodeLabellerImage": TEXT,
        "nodeLabellerImagePullPolicy": TEXT,
        "nodeLabellerArguments": items(TEXT),
        "nodeLabellerTolerations": items(TOLERATION),
        "imageRegistrySecret": REFERENCE,
        "upgradePolicy": ANYTHING,
    }
)
_METRICS_EXPORTER: Final = structure(
    {
        "enable": BOOLEAN,
        **_IMAGE,
        **_PLACED,
        "port": {**integer(), "default": 5000},
        "serviceType": {**one_of("ClusterIP", "NodePort"), "default": "ClusterIP"},
        "nodePort": integer(minimum=30_000, maximum=32_767),
        "config": structure({"name": TEXT}),
        "rbacConfig": structure({"enable": BOOLEAN, "image": TEXT, "disableHttps": BOOLEAN, "secret": REFERENCE}),
        "prometheus": structure({"serviceMonitor": ANYTHING}),
    }
)
_TEST_RUNNER: Final = structure(
    {
        "enable": BOOLEAN,
        **_IMAGE,
        **_PLACED,
        "config": structure({"name": TEXT}),
        "logsLocation": structure({"hostPath": TEXT, "mountPath": TEXT, "logsExportSecrets": items(REFERENCE)}),
    }
)
_COMMON: Final = structure({"initContainerImage": TEXT, "utilsContainer": structure(_IMAGE)})

DEFINITIONS: Final = (
    definition(
        "amd.com/v1alpha1",
        "DeviceConfig",
        "deviceconfigs",
        structure(
            {
                "spec": structure(
                    {
                        "commonConfig": _COMMON,
                        "driver": _DRIVER,
                        "devicePlugin": _DEVICE_PLUGIN,
                        "metricsExporter": _METRICS_EXPORTER,
                        "testRunner": _TEST_RUNNER,
                        "selector": LABELS,
                    }
                ),
                "status": structure(
                    {
                        "conditions": items(ANYTHING),
                        "devicePlugin": _DEPLOYED,
                        "driver": _DEPLOYED,
                        "metricsExporter": _DEPLOYED,
                        "nodeModuleStatus": mapping(ANYTHING),
                    }
                ),
            }
        ),
        short_names=("gpue",),
    ),
)
