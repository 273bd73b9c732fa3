"""KubeElasti: a Deployment that is scaled to nothing while nobody asks, and back by the first request."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    ANYTHING,
    TEXT,
    definition,
    integer,
    items,
    one_of,
    structure,
)

_TIME: Final = {"type": "string", "format": "date-time"}

DEFINITIONS: Final = (
    definition(
        "elasti.truefoundry.com/v1alpha1",
        "ElastiService",
        "elastiservices",
        structure(
            {
                "spec": structure(
                    {
                        "service": TEXT,
                        "minTargetReplicas": integer(minimum=1),
                        "cooldownPeriod": {**integer(minimum=0, maximum=604_800), "default": 900},
                        "scaleTargetRef": structure(
                            {
                                "apiVersion": one_of("apps/v1", "argoproj.io/v1alpha1"),
                                "kind": one_of("deployments", "rollouts", "Deployment", "StatefulSet", "Rollout"),
                                "name": TEXT,
                            },
                            "apiVersion",
                            "kind",
                            "name",
                        ),
                        "triggers": items(structure({"type": one_of("prometheus"), "metadata": ANYTHING}, "type")),
                        "autoscaler": structure({"name": TEXT, "type": one_of("hpa", "keda")}, "name", "type"),
                    },
                    "scaleTargetRef",
                    "service",
                ),
                "status": structure({"mode": TEXT, "lastReconciledTime": _TIME, "lastScaledUpTime": _TIME}),
            }
        ),
    ),
)
