"""Traefik: a route to what is not there gets an event, where the real Traefik writes an error to its log."""

from collections.abc import Iterator
from typing import Final

from twin.kubernetes.api import Object
from twin.operators.cluster import SECRET, SERVICE, Kind, NotReadyError, Operator
from twin.operators.controller import Controller

TRAEFIK: Final = Operator("traefik")

INGRESS_ROUTE: Final = Kind("traefik.io/v1alpha1", "IngressRoute")
MIDDLEWARE: Final = Kind("traefik.io/v1alpha1", "Middleware")
TRAEFIK_SERVICE: Final = Kind("traefik.io/v1alpha1", "TraefikService")


class Routes(Controller):
    """Checks what routes lead to."""

    operator = TRAEFIK
    kind = INGRESS_ROUTE

    async def reconcile(self, found: Object) -> None:
        """Every Service, port, Middleware and Secret of the route exists."""
        namespace = found["metadata"]["namespace"]
        problems = [
            problem
            for route in found["spec"].get("routes") or ()
            for problem in [
                *[await self._service(one, namespace) for one in route.get("services") or ()],
                *[await self._exists(MIDDLEWARE, one, namespace) for one in route.get("middlewares") or ()],
            ]
            if problem
        ]
        secret = (found["spec"].get("tls") or {}).get("secretName")
        if secret is not None and await self.cluster.find(SECRET, namespace, secret) is None:
            problems.append(f"secret {namespace}/{secret} does not exist")
        if problems:
            raise NotReadyError("RouteNotServed", "; ".join(problems))

    async def _service(self, reference: Object, namespace: str) -> str:
        if reference.get("kind") == TRAEFIK_SERVICE.kind:
            internal = reference["name"].endswith("@internal")
            return "" if internal else await self._exists(TRAEFIK_SERVICE, reference, namespace)
        problem = await self._exists(SERVICE, reference, namespace)
        if problem:
            return f"Cannot create service: {problem}"
        place = reference.get("namespace") or namespace
        service = await self.cluster.find(SERVICE, place, reference["name"])
        port = reference.get("port")
        ports = list(_ports(service or {}))
        if port is None or port in ports:
            return ""
        return f"service port not found: {port} of {place}/{reference['name']}; it has {', '.join(map(str, ports))}"

    async def _exists(self, kind: Kind, reference: Object, namespace: str) -> str:
        place = reference.get("namespace") or namespace
        if await self.cluster.find(kind, place, reference["name"]) is not None:
            return ""
        return f"{kind.kind.lower()} {place}/{reference['name']} does not exist"


def _ports(service: Object) -> Iterator[int | str]:
    for port in (service.get("spec") or {}).get("ports") or ():
        yield port["port"]
        if "name" in port:
            yield port["name"]
