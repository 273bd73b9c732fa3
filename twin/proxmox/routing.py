"""Endpoints of the emulated API and the way from a request to one of them."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from twin.proxmox.access import Access, Principal
from twin.proxmox.parameters import Schema, Values
from twin.proxmox.privileges import Privilege

Json: TypeAlias = Any
"""What `json.dumps` takes; the shape is the endpoint's own."""


@dataclass(frozen=True)
class Call:
    """One authenticated call with checked parameters."""

    principal: Principal
    access: Access
    path: Mapping[str, str]
    """Values of the placeholders of the path."""
    values: Values

    def require(self, path: str, *privileges: Privilege) -> None:
        """Every privilege on the path, else RefusalError 403."""
        self.access.require(self.principal, path, privileges)

    def require_any(self, path: str, *privileges: Privilege) -> None:
        """One of the privileges on the path, else RefusalError 403."""
        self.access.require_any(self.principal, path, privileges)

    def may(self, path: str, *privileges: Privilege) -> bool:
        """Whether the caller has one of the privileges on the path."""
        return self.access.may(self.principal, path, privileges)


Handler: TypeAlias = Callable[[Call], Json | Awaitable[Json]]
"""Runs in one transaction up to its return; what it returns may be awaited afterwards, outside of it."""


@dataclass(frozen=True)
class Permission:
    """What a call needs before its handler runs; the path may hold the endpoint's placeholders."""

    path: str
    privileges: tuple[Privilege, ...]
    any_of: bool = False

    def check(self, call: Call) -> None:
        """RefusalError 403 when the caller lacks it."""
        path = self.path.format(**call.path)
        if self.any_of:
            call.require_any(path, *self.privileges)
        else:
            call.require(path, *self.privileges)


ANYONE: Permission | None = None
"""Every authenticated caller; also where the handler shows each caller only what it may see, or checks by itself."""


def needs(path: str, *privileges: Privilege) -> Permission:
    """Every one of the privileges."""
    return Permission(path, privileges)


def needs_any(path: str, *privileges: Privilege) -> Permission:
    """At least one of the privileges."""
    return Permission(path, privileges, any_of=True)


@dataclass(frozen=True)
class Endpoint:
    """One method on one path, e.g. `PUT /nodes/{node}/qemu/{vmid}/config`."""

    method: str
    path: str
    handler: Handler
    permission: Permission | None
    schema: Schema = field(default_factory=Schema)


class Routes:
    """All endpoints, found by method and path."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = [(self._pattern(endpoint.path), endpoint) for endpoint in endpoints]

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint with the values of its placeholders, None when the twin has none."""
        for pattern, endpoint in self._endpoints:
            if endpoint.method == method and (match := pattern.fullmatch(path)) is not None:
                return endpoint, match.groupdict()
        return None

    def all(self) -> list[Endpoint]:
        """Every endpoint, in order of path and method."""
        return sorted((e for _, e in self._endpoints), key=lambda e: (e.path, e.method))

    @staticmethod
    def _pattern(path: str) -> re.Pattern[str]:
        # Volume ids hold slashes (`cephfs:import/image.qcow2`), everything else ends at one.
        expression = path.replace("{volume}", "(?P<volume>.+)").replace("{vmid}", "(?P<vmid>[1-9][0-9]{2,8})")
        return re.compile(re.sub(r"\{([a-z]+)\}", r"(?P<\1>[^/]+)", expression))
