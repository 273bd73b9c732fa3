"""What the platform's own runs of Argo Workflows have in common: who they are to the API, and what a container may."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes import core, meta, rbac

NOBODY = 65534
"""User without a name or rights on the node."""


def locked() -> dict[str, object]:
    """Security context of a container that only runs its script."""
    return {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": NOBODY,
        "capabilities": {"drop": ["ALL"]},
    }


def run_account(
    name: str, account: str, namespace: str, *, needs: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """An account that may only report results, as the executor of Argo Workflows does; made after `needs`.

    `name` begins the names of the resources, `account` is the name in the cluster.
    """
    metadata = meta.v1.ObjectMetaArgs(name=account, namespace=namespace)

    def after(*others: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(others)))

    made = core.v1.ServiceAccount(f"{name}-account", metadata=metadata, opts=after(*needs))
    role = rbac.v1.Role(
        f"{name}-role",
        metadata=metadata,
        rules=[
            rbac.v1.PolicyRuleArgs(
                api_groups=["argoproj.io"], resources=["workflowtaskresults"], verbs=["create", "patch"]
            )
        ],
        opts=after(*needs),
    )
    return rbac.v1.RoleBinding(
        f"{name}-binding",
        metadata=metadata,
        role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=account),
        subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=namespace)],
        opts=after(made, role),
    )
