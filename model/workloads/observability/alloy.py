"""Alloy: collects logs of pods and hosts. Its configurations are written in its own language."""

import json
from collections.abc import Iterator
from typing import TypeAlias

from pydantic import Field

from model.base import Value
from model.workloads.names import DnsName

PUSH_PATH = "/loki/api/v1/push"


class Reference(Value):
    """An expression of the language, such as the output of another block."""

    text: str


Scalar: TypeAlias = str | bool | int | Reference
Attribute: TypeAlias = Scalar | tuple[Scalar, ...] | dict[str, Scalar]
"""Value of a setting."""


class Block(Value):
    """A component, or a part of one."""

    name: str
    label: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]*$")
    settings: dict[str, Attribute] = Field(default_factory=dict)
    blocks: "tuple[Block, ...]" = ()


def document(*blocks: Block) -> str:
    """The blocks as Alloy reads them."""
    return "\n".join("\n".join(_lines(block)) + "\n" for block in blocks)


def _lines(block: Block) -> Iterator[str]:
    yield f"{block.name} {{" if block.label is None else f'{block.name} "{block.label}" {{'
    for name, value in block.settings.items():
        yield f"  {name} = {_expression(value)}"
    for inner in block.blocks:
        yield from (f"  {line}" for line in _lines(inner))
    yield "}"


def _expression(value: Attribute) -> str:
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_expression(one)}" for name, one in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_expression(one) for one in value) + "]"
    return json.dumps(value)


def pods_configuration(push: str) -> str:
    """Logs of the pods on Alloy's own node, to the URL `push` within the cluster."""
    return document(
        Block(
            name="discovery.kubernetes",
            label="pods",
            settings={"role": "pod"},
            blocks=(
                Block(
                    name="selectors",
                    # Each Alloy reads the pods of its own node, else every line would come once from each.
                    settings={
                        "role": "pod",
                        "field": Reference(text='"spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)'),
                    },
                ),
            ),
        ),
        Block(
            name="discovery.relabel",
            label="pods",
            settings={"targets": Reference(text="discovery.kubernetes.pods.targets")},
            blocks=tuple(
                Block(name="rule", settings={"source_labels": (source,), "target_label": label})
                for source, label in (
                    ("__meta_kubernetes_namespace", "namespace"),
                    ("__meta_kubernetes_pod_name", "pod"),
                    ("__meta_kubernetes_pod_container_name", "container"),
                    ("__meta_kubernetes_pod_node_name", "node"),
                    ("__meta_kubernetes_pod_label_app_kubernetes_io_name", "app"),
                )
            ),
        ),
        Block(
            name="loki.source.kubernetes",
            label="pods",
            settings={
                "targets": Reference(text="discovery.relabel.pods.output"),
                "forward_to": (Reference(text="loki.write.lab.receiver"),),
            },
        ),
        Block(name="loki.write", label="lab", blocks=(Block(name="endpoint", settings={"url": push}),)),
    )


class HostLogs(Value):
    """How a host outside the clusters sends its journal."""

    host: str
    """Label `host` of its lines."""
    loki: DnsName
    """Host name of the way in."""
    username: str
    password_file: str = Field(default="/etc/alloy/loki-password", pattern=r"^/")
    """Put there with the host's configuration; it is in the SOPS file."""


def host_configuration(one: HostLogs) -> str:
    """The journal of a host, to whichever colour serves the lab."""
    return document(
        Block(
            name="loki.relabel",
            label="journal",
            settings={"forward_to": ()},
            blocks=(
                Block(name="rule", settings={"source_labels": ("__journal__systemd_unit",), "target_label": "unit"}),
                Block(
                    name="rule", settings={"source_labels": ("__journal_priority_keyword",), "target_label": "level"}
                ),
            ),
        ),
        Block(
            name="loki.source.journal",
            label="journal",
            settings={
                "max_age": "12h",
                "labels": {"host": one.host, "job": "systemd-journal"},
                "relabel_rules": Reference(text="loki.relabel.journal.rules"),
                "forward_to": (Reference(text="loki.write.lab.receiver"),),
            },
        ),
        Block(
            name="loki.write",
            label="lab",
            blocks=(
                Block(
                    name="endpoint",
                    settings={"url": f"https://{one.loki}{PUSH_PATH}"},
                    blocks=(
                        Block(
                            name="basic_auth",
                            settings={"username": one.username, "password_file": one.password_file},
                        ),
                    ),
                ),
            ),
        ),
    )
