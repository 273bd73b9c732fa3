"""Dragonfly: caches that speak the protocol of Redis."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    ANYTHING,
    BOOLEAN,
    LABELS,
    RESOURCES,
    SECRET_KEY,
    TEXT,
    TOLERATION,
    VARIABLE,
    definition,
    integer,
    items,
    structure,
)

DEFINITIONS: Final = (
    definition(
        "dragonflydb.io/v1alpha1",
        "Dragonfly",
        "dragonflies",
        structure(
            {
                "spec": structure(
                    {
                        "replicas": integer(),
                        "image": TEXT,
                        "imagePullPolicy": TEXT,
                        "args": items(TEXT),
                        "annotations": LABELS,
                        "labels": LABELS,
                        "env": items(VARIABLE),
                        "resources": RESOURCES,
                        "affinity": ANYTHING,
                        "nodeSelector": LABELS,
                        "topologySpreadConstraints": items(ANYTHING),
                        "tolerations": items(TOLERATION),
                        "priorityClassName": TEXT,
                        "podSecurityContext": ANYTHING,
                        "containerSecurityContext": ANYTHING,
                        "serviceAccountName": TEXT,
                        "aclFromSecret": SECRET_KEY,
                        "authentication": structure(
                            {"passwordFromSecret": SECRET_KEY, "clientCaCertSecret": SECRET_KEY}
                        ),
                        "tlsSecretRef": structure({"name": TEXT, "namespace": TEXT}),
                        "snapshot": structure(
                            {"dir": TEXT, "cron": TEXT, "persistentVolumeClaimSpec": ANYTHING}
                        ),
                        "serviceSpec": structure({"type": TEXT, "name": TEXT, "annotations": LABELS, "labels": LABELS}),
                    }
                ),
                "status": structure({"phase": TEXT, "isRollingUpdate": BOOLEAN}),
            }
        ),
        columns={"Phase": ".status.phase"},
    ),
)
