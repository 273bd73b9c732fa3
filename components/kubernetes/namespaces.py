"""Namespaces, and the Secrets that are in them before anything else."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pulumi
from pulumi_kubernetes import core, meta

from components.kubernetes.provided import Provided
from components.options import child_options
from model.workloads.namespaces import Namespace


class InitialSecret(Protocol):
    """A Secret with its values at hand."""

    @property
    def namespace(self) -> str:
        """Where it goes."""
        ...

    @property
    def name(self) -> str:
        """What it is called there."""
        ...

    @property
    def data(self) -> Mapping[str, pulumi.Output[str]]:
        """Values by key, as text; secret."""
        ...


def make_namespace(namespace: Namespace, opts: pulumi.ResourceOptions) -> Provided[Namespace]:
    """The namespace with its Pod Security level."""
    resource = core.v1.Namespace(
        f"namespace-{namespace.name}",
        metadata=meta.v1.ObjectMetaArgs(name=namespace.name, labels=namespace.labels),
        opts=opts,
    )
    return Provided(namespace, by=resource)


class Namespaces(pulumi.ComponentResource):
    """The namespaces of the platform. Argo CD makes none: it would leave out the Pod Security level."""

    made: dict[str, Provided[Namespace]]
    """By name."""

    def __init__(
        self,
        name: str,
        *,
        namespaces: Sequence[Namespace],
        needs: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`needs` are what must be there before pods can be."""
        super().__init__("lab:kubernetes:Namespaces", name, None, opts)
        own = child_options(self, opts, pulumi.ResourceOptions(depends_on=list(needs)))
        self.made = {namespace.name: make_namespace(namespace, own) for namespace in namespaces}
        self.register_outputs({"names": list(self.made)})

    def __getitem__(self, name: str) -> Provided[Namespace]:
        """The namespace of that name; RunError when it is not the platform's."""
        if name not in self.made:
            raise pulumi.RunError(
                f"the platform has no namespace {name}; there are {', '.join(sorted(self.made))}.\n"
                "  fix: add it to the platform's namespaces"
            )
        return self.made[name]

    def of(self, namespace: Namespace) -> Provided[Namespace] | None:
        """The platform's namespace where it is one; None where an application makes its own."""
        return self.made.get(namespace.name)


class BootstrapSecrets(pulumi.ComponentResource):
    """The Secrets of the `init` tree: what must be readable before Vault is up."""

    made: dict[tuple[str, str], Provided[str]]
    """The name of each, by namespace and name."""

    def __init__(
        self,
        name: str,
        *,
        secrets: Sequence[InitialSecret],
        namespaces: Namespaces,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lab:kubernetes:BootstrapSecrets", name, None, opts)
        self.made = {}
        for secret in secrets:
            resource = core.v1.Secret(
                f"{secret.namespace}-{secret.name}",
                metadata=meta.v1.ObjectMetaArgs(name=secret.name, namespace=secret.namespace),
                type="Opaque",
                string_data=dict(secret.data),
                opts=child_options(
                    self,
                    opts,
                    pulumi.ResourceOptions(
                        depends_on=[namespaces[secret.namespace].by],
                        additional_secret_outputs=["data", "stringData"],
                        # External Secrets adopts some of them and writes their data from then on.
                        ignore_changes=["metadata.labels", "metadata.annotations", "metadata.ownerReferences"],
                    ),
                ),
            )
            self.made[secret.namespace, secret.name] = Provided(secret.name, by=resource)
        self.register_outputs({"names": [f"{namespace}/{secret}" for namespace, secret in self.made]})

    def secret(self, namespace: str, name: str) -> Provided[str]:
        """The Secret of that namespace and name; RunError when the SOPS file's schema has none."""
        if (namespace, name) not in self.made:
            there = ", ".join(f"{one}/{two}" for one, two in sorted(self.made))
            raise pulumi.RunError(
                f"there is no bootstrap Secret {namespace}/{name}; there are {there}.\n"
                "  fix: add its keys to the tree `init` of the schema of secrets"
            )
        return self.made[namespace, name]
