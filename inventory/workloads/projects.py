"""Groups of charts, and what each may make outside its namespaces."""

from model.configuration import Layer
from model.workloads.custom.argo_cd import GroupKind
from model.workloads.names import NamespaceName
from model.workloads.platform import Project

_ANYTHING = (GroupKind(),)
_SYSTEM = (NamespaceName("kube-system"),)

PROJECTS = (
    Project(
        layer=Layer.SUBSTRATE,
        description="Drivers and node labels: what pods stand on",
        cluster_kinds=_ANYTHING,
        also=_SYSTEM,
    ),
    Project(
        layer=Layer.BASE,
        description="Operators, secrets, certificates, the way in, object storage",
        cluster_kinds=_ANYTHING,
        also=_SYSTEM,
    ),
    Project(
        layer=Layer.CORE,
        description="What the lab itself is run with",
        cluster_kinds=(
            GroupKind(group="rbac.authorization.k8s.io", kind="ClusterRole"),
            GroupKind(group="rbac.authorization.k8s.io", kind="ClusterRoleBinding"),
            GroupKind(group="apiextensions.k8s.io", kind="CustomResourceDefinition"),
        ),
    ),
    Project(layer=Layer.APPS, description="What the lab is there for", cluster_kinds=()),
)
