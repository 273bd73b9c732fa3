"""What `shared` tells the colours, and how a colour reads it before and after `shared` was applied."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi

from model.exclusive import Colour, LeaseName

SHARED_STACK = "organization/bhamm-lab/shared"

LEASES = "leases"
MAPPINGS = "passthrough_mappings"
STORAGES = "storages"


class SharedOutputs:
    """The outputs of the `shared` stack: unknown while it has not been applied and this is a preview."""

    def __init__(self) -> None:
        self._reference = pulumi.StackReference("shared", stack_name=SHARED_STACK)

    def get(self, name: str) -> pulumi.Output[Any]:
        """One output. On `up` its absence is an error that says what to do."""

        def read(value: Any) -> Any:
            if value is not None:
                return value
            if pulumi.runtime.is_dry_run():
                return _unknown()
            raise pulumi.RunError(
                f"the stack `shared` has no output `{name}`: it has not been applied, or by an older program.\n"
                "  fix: ./lab up shared"
            )

        # Not through `outputs`: one secret among them would make them all secret.
        return self._reference.get_output(name).apply(read)


def lease_guard(outputs: SharedOutputs, colour: Colour, needed: tuple[LeaseName, ...]) -> pulumi.Output[bool]:
    """True once the applied lease table gives the colour everything it needs; fails naming every lease it lacks."""

    def check(holders: Mapping[str, str]) -> bool:
        lacking = [lease for lease in needed if holders.get(lease) != colour]
        if lacking:
            lines = "\n".join(f"  {lease}: held by {holders.get(lease) or 'nobody'}" for lease in lacking)
            raise pulumi.RunError(
                f"{colour} is configured to use what the applied lease table does not give it:\n{lines}\n"
                "  fix: apply the table of Pulumi.shared.yaml first: ./lab up shared"
            )
        return True

    return outputs.get(LEASES).apply(check)


def _unknown() -> pulumi.Output[Any]:
    """An output whose value is not known yet."""
    value: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    value.set_result(None)
    known: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    known.set_result(False)
    return pulumi.Output(set(), value, known)
