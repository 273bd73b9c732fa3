"""One call of an engine, as far as it is common to every method of the provider protocol."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """Which resource of which stack a call is about, and what the program wants of the call itself."""

    urn: str
    connection: str = ""
    """Of the engine that calls, as gRPC names it; every provider resource of every engine has one of its own."""
    timeout: float = 0.0
    """Seconds, from `customTimeouts`; 0 leaves it to the resource type."""
    ignored: tuple[str, ...] = ()
    """Property paths under `ignoreChanges`."""

    @property
    def token(self) -> str:
        """The resource type."""
        return self.urn.split("::")[2].rsplit("$", 1)[-1]

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def stack(self) -> str:
        """Stack and project, e.g. `urn:pulumi:green::bhamm-lab`; empty when the call is about no resource."""
        return "::".join(self.urn.split("::")[:2])
