"""Node Feature Discovery: labels of nodes by what is in them."""

from pydantic import Field

from model.workloads.camel_case import CamelCase
from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "nfd.k8s-sigs.io", "v1alpha1"


class MatchExpression(CamelCase):
    """A condition on one attribute."""

    op: str
    value: tuple[str, ...] | None = None


class FeatureMatcher(CamelCase):
    """Conditions on one feature, e.g. `pci.device`."""

    feature: str
    match_expressions: dict[str, MatchExpression]


class FeatureRule(CamelCase):
    """Labels for the nodes on which every condition holds."""

    name: str
    labels: dict[str, str]
    match_features: tuple[FeatureMatcher, ...] = Field(min_length=1)


class NodeFeatureRuleSpec(CamelCase):
    """Spec of a NodeFeatureRule."""

    rules: tuple[FeatureRule, ...] = Field(min_length=1)


class NodeFeatureRule(CustomObject):
    """Rules from hardware to labels."""

    OF = Kind(group=GROUP, version=VERSION, name="NodeFeatureRule")
    spec: NodeFeatureRuleSpec
