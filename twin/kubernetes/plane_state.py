"""How a cluster's Kubernetes can be doing."""

from enum import StrEnum, unique


@unique
class PlaneState(StrEnum):
    """How a cluster's Kubernetes is doing."""

    NOT_BOOTSTRAPPED = "not-bootstrapped"
    """Its machines are configured, etcd has not begun."""
    NO_QUORUM = "no-quorum"
    """Too few of its control-plane machines are up; the data waits for them."""
    STARTING = "starting"
    READY = "ready"
    TROUBLED = "troubled"
    """It was ready and does not answer now; its problems say why."""
