"""What a component hands down to its children."""

import pulumi


def child_options(
    component: pulumi.ComponentResource, given: pulumi.ResourceOptions | None, own: pulumi.ResourceOptions | None = None
) -> pulumi.ResourceOptions:
    """Options of a child: the component as parent always, of the caller's options only protection and retention.

    Providers reach children through the parent. Aliases, imports and dependencies of the component are not the
    child's. `own` wins over what is handed down.
    """
    passed = pulumi.ResourceOptions(
        parent=component,
        protect=None if given is None else given.protect,
        retain_on_delete=None if given is None else given.retain_on_delete,
    )
    merged = pulumi.ResourceOptions.merge(passed, own)
    merged.parent = component
    return merged
