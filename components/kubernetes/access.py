"""Who an application is to the Kubernetes API, and what it may ask."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes import core, meta, rbac

from components.kubernetes.provided import Provided
from components.options import child_options
from model.workloads.namespaces import Namespace
from model.workloads.permissions import Permission


class ServiceAccess(pulumi.ComponentResource):
    """A service account of the application's own; with rights in its namespace only, where it has any."""

    account: Provided[str]

    def __init__(
        self,
        name: str,
        *,
        namespace: Provided[Namespace],
        permissions: Sequence[Permission],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:ServiceAccess", name, None, opts)
        metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace.value.name)
        made: pulumi.Resource = core.v1.ServiceAccount(
            name,
            metadata=metadata,
            automount_service_account_token=False,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[namespace.by])),
        )
        if permissions:
            role = rbac.v1.Role(
                name,
                metadata=metadata,
                rules=[
                    rbac.v1.PolicyRuleArgs(
                        api_groups=[one.group], resources=list(one.resources), verbs=list(one.verbs)
                    )
                    for one in permissions
                ],
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[namespace.by])),
            )
            made = rbac.v1.RoleBinding(
                name,
                metadata=metadata,
                role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
                subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=name, namespace=namespace.value.name)],
                opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[made, role])),
            )
        self.account = Provided(name, by=made)
        self.register_outputs({"account": name})
