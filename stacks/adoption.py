"""Imports what exists in the lab already, instead of creating it a second time."""

from collections.abc import Mapping

import pulumi

from model.configuration import source
from stacks.imports import AssignedId, Entry, ImportId, Key


def adopt(catalogue: Mapping[Key, Entry], assigned: Mapping[str, str]) -> None:
    """Import every resource that is registered from now on and that the catalogue can tell the id of.

    `assigned` are the ids that services assigned, by logical name. RunError names all that are missing or unknown.
    """
    ids = import_ids(catalogue, assigned)

    def importing(asked: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        known = ids.get((asked.type_, asked.name))
        if known is None:
            return None
        options = pulumi.ResourceOptions.merge(asked.opts, pulumi.ResourceOptions(import_=known))
        return pulumi.ResourceTransformationResult(asked.props, options)

    pulumi.runtime.register_stack_transformation(importing)


def import_ids(catalogue: Mapping[Key, Entry], assigned: Mapping[str, str]) -> dict[Key, str]:
    """The import id of everything that is imported; RunError names every assigned id that is missing or unknown."""
    wanted = {name: entry for (_, name), entry in catalogue.items() if isinstance(entry, AssignedId)}
    missing, unknown = sorted({*wanted} - {*assigned}), sorted({*assigned} - {*wanted})
    complaints = [
        *(f"  {name}: its id is missing; it is found in: {wanted[name].where}" for name in missing),
        *(f"  {name}: no resource of that name has an assigned id" for name in unknown),
    ]
    if complaints:
        where = source("shared", "adopted_ids")
        raise pulumi.RunError(
            "the lab cannot be adopted by the ids that are given:\n"
            + "\n".join(complaints)
            + f"\n  at:   {where}\n  fix:  give each of {', '.join(sorted(wanted))} its id there, and nothing else"
        )
    return {key: known for key, entry in catalogue.items() if (known := _import_id(key, entry, assigned)) is not None}


def _import_id(key: Key, entry: Entry, assigned: Mapping[str, str]) -> str | None:
    if isinstance(entry, ImportId):
        return entry.id
    if isinstance(entry, AssignedId):
        return entry.prefix + assigned[key[1]]
    return None
