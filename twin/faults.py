"""Trouble on demand: hosts that are down, APIs that refuse or dawdle, disks that are full, a twin that dies.

A fault is durable and stays until it is cleared or has struck `remaining` times.
"""

import asyncio
import os
import signal
from enum import StrEnum, unique
from fnmatch import fnmatchcase
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from twin.store import Collection, Store

FAULTS = Collection("faults")


@unique
class FaultKind(StrEnum):
    """What goes wrong."""

    HOST_DOWN = "host-down"
    """`target` is a host: its node is offline, its guests are dead, its API calls fail."""
    API_ERROR = "api-error"
    """`target` is an API (proxmox, talos, cloudflare, gcp, command): calls answer `status`."""
    API_SLOW = "api-slow"
    """Calls of the API take `seconds` longer."""
    DISK_FULL = "disk-full"
    """`target` is `host/storage`: whatever needs room there fails."""
    OPERATOR_FAILS = "operator-fails"
    """`target` is an operator of a cluster (`argo-cd`, `volumes`, …): what it looks after is not made ready."""
    OPERATOR_HANGS = "operator-hangs"
    """`target` is an operator of a cluster: it does nothing."""
    PROVIDER_KILLED = "provider-killed"
    """`target` is an API: the twin's daemon dies without a word in the next call, once; nobody gets an answer."""


API_FAULTS: Final = (FaultKind.API_SLOW, FaultKind.API_ERROR, FaultKind.PROVIDER_KILLED)
OPERATOR_FAULTS: Final = (FaultKind.OPERATOR_HANGS, FaultKind.OPERATOR_FAILS)


class Fault(BaseModel):
    """One injected fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    target: str
    operation: str = "*"
    """Shell pattern over the operation, e.g. `POST /nodes/method/*` or `create talos:*`; `NAMESPACE/NAME` of an object
    for the faults of operators."""
    status: int = 503
    seconds: float = 0.0
    remaining: int | None = Field(default=None, ge=1)
    """How many more calls are struck; None for until cleared."""

    @property
    def key(self) -> str:
        """Identity: setting the same fault again replaces it."""
        return f"{self.kind}:{self.target}:{self.operation}"


class InjectedError(Exception):
    """An API call was refused by an injected fault."""

    def __init__(self, status: int, api: str, operation: str) -> None:
        super().__init__(f"{api} answered {status} to `{operation}` (injected fault)")
        self.status = status


class Faults:
    """The faults in force, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Fault]:
        """Every fault in force."""
        return [Fault.model_validate(body) for _, body in self._store.items(FAULTS)]

    def set(self, fault: Fault) -> None:
        """Put the fault in force."""
        self._store.put(FAULTS, fault.key, fault.model_dump(mode="json"))

    def clear(self, key: str | None = None) -> int:
        """End one fault, or all; returns how many ended."""
        keys = [k for k, _ in self._store.items(FAULTS) if key is None or k == key]
        for found in keys:
            self._store.delete(FAULTS, found)
        return len(keys)

    def host_is_down(self, host: str) -> bool:
        """Whether the host is without power."""
        return any(f.kind is FaultKind.HOST_DOWN and f.target == host for f in self.all())

    def disk_is_full(self, host: str, storage: str) -> bool:
        """Whether nothing more can be written to the storage as seen from the host."""
        targets = (f"{host}/{storage}", f"*/{storage}")
        return any(f.kind is FaultKind.DISK_FULL and f.target in targets for f in self.all())

    async def strike(self, api: str, operation: str) -> None:
        """Delay the call as `API_SLOW` says, raise InjectedError as `API_ERROR` says; `PROVIDER_KILLED` ends it all."""
        for fault in self.all():
            if fault.target != api or not fnmatchcase(operation, fault.operation):
                continue
            if fault.kind not in API_FAULTS:
                continue
            if fault.kind is FaultKind.PROVIDER_KILLED:
                # Gone before the process is: the daemon that is started next must get past this call.
                self._store.delete(FAULTS, fault.key)
                os.kill(os.getpid(), signal.SIGKILL)
            self._count(fault)
            if fault.kind is FaultKind.API_SLOW:
                await asyncio.sleep(fault.seconds)
            else:
                raise InjectedError(fault.status, api, operation)

    def of_operators(self) -> frozenset[Fault]:
        """Every fault of any operator."""
        return frozenset(fault for fault in self.all() if fault.kind in OPERATOR_FAULTS)

    def of_operator(self, operator: str, item: str) -> Fault | None:
        """The fault that strikes the operator now at the object `NAMESPACE/NAME`; one that hangs it comes first."""
        found = [
            fault
            for fault in self.of_operators()
            if fault.target == operator and fnmatchcase(item, fault.operation)
        ]
        struck = min(found, key=lambda fault: OPERATOR_FAULTS.index(fault.kind), default=None)
        if struck is not None:
            self._count(struck)
        return struck

    def _count(self, fault: Fault) -> None:
        if fault.remaining is None:
            return
        if fault.remaining == 1:
            self._store.delete(FAULTS, fault.key)
        else:
            self.set(fault.model_copy(update={"remaining": fault.remaining - 1}))
