"""The lease table: which colour holds each thing that exists once."""

from collections.abc import Mapping

import pulumi

from model.exclusive import Colour, LeaseName


class LeaseTable(pulumi.ComponentResource):
    """The table as applied. A colour takes what it leases only when this says so, not when a file does."""

    holders: pulumi.Output[dict[str, str]]
    """Lease to colour; free ones are absent."""

    def __init__(
        self,
        name: str,
        *,
        leases: Mapping[LeaseName, Colour],
        active_colour: Colour | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:leases:LeaseTable", name, None, opts)
        self.holders = pulumi.Output.from_input({str(lease): str(colour) for lease, colour in leases.items()})
        self.register_outputs({"holders": self.holders, "active_colour": active_colour and str(active_colour)})
