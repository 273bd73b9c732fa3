"""Intel's device plugin for GPUs: which nodes offer their cards, and to how many containers at once."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    ANYTHING,
    BOOLEAN,
    LABELS,
    TEXT,
    TOLERATION,
    definition,
    integer,
    items,
    one_of,
    structure,
)

DEFINITIONS: Final = (
    definition(
        "deviceplugin.intel.com/v1",
        "GpuDevicePlugin",
        "gpudeviceplugins",
        structure(
            {
                "spec": structure(
                    {
                        "image": TEXT,
                        "initImage": TEXT,
                        "nodeSelector": LABELS,
                        "tolerations": items(TOLERATION),
                        "allowIDs": TEXT,
                        "denyIDs": TEXT,
                        "sharedDevNum": integer(minimum=1),
                        "preferredAllocationPolicy": one_of("balanced", "packed", "none"),
                        "bypathMode": one_of("none", "single", "all"),
                        "logLevel": integer(minimum=0),
                        "enableMonitoring": BOOLEAN,
                    }
                ),
                "status": structure(
                    {
                        "controlledDaemonSet": ANYTHING,
                        "nodeNames": items(TEXT),
                        "desiredNumberScheduled": integer(),
                        "numberReady": integer(),
                    },
                    "desiredNumberScheduled",
                    "numberReady",
                ),
            }
        ),
        namespaced=False,
        columns={"Desired": ".status.desiredNumberScheduled", "Ready": ".status.numberReady"},
    ),
)
