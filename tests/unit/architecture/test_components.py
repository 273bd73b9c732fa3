"""The shape of every component, read from its source: what a recording shows only for the paths it takes."""

import ast
from collections.abc import Iterator

import pytest

from tests.unit.architecture.source import Module, modules, read

BASES = {"ComponentResource", "pulumi.ComponentResource"}


def component_classes(module: Module) -> Iterator[ast.ClassDef]:
    """Classes derived from ComponentResource."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in BASES for base in node.bases):
            yield node


def complaints(module: Module) -> list[str]:
    """What the components of a module lack."""
    return [
        f"{module.path}:{component.lineno} {component.name} {complaint}"
        for component in component_classes(module)
        for complaint in _complaints(module, component)
    ]


def _complaints(module: Module, component: ast.ClassDef) -> Iterator[str]:
    begun = next((n for n in component.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if begun is None:
        yield "has no __init__"
        return
    if not _calls(begun.body[-1:], "self.register_outputs"):
        yield "does not end with self.register_outputs(...)"
    if "opts" not in {argument.arg for argument in begun.args.kwonlyargs}:
        yield "takes no keyword `opts`"
    token = _token(begun)
    area = module.path.with_suffix("").parts[1]
    if token != f"lab:{area}:{component.name}":
        yield f"has the type token {token}, not lab:{area}:{component.name}"


def _token(begun: ast.FunctionDef) -> str | None:
    for call in _calls(begun.body, "super().__init__"):
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return None


def _calls(body: list[ast.stmt], function: str) -> list[ast.Call]:
    nodes = (node for statement in body for node in ast.walk(statement))
    return [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == function]


def test_every_component_is_well_formed():
    found = [complaint for module in modules("components") for complaint in complaints(module)]
    assert not found, "\n".join(found)


def test_components_are_found():
    names = {component.name for module in modules("components") for component in component_classes(module)}
    assert {"ClusterNode", "TalosCluster", "LeaseTable"} <= names


GOOD = """
class Disks(pulumi.ComponentResource):
    def __init__(self, name: str, *, opts=None) -> None:
        super().__init__("lab:proxmox:Disks", name, None, opts)
        self.register_outputs({})
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("self.register_outputs({})", "self.ids = {}"), "does not end with self.register_outputs"),
        (GOOD + "        self.late = Disk()\n", "does not end with self.register_outputs"),
        (GOOD.replace(", *, opts=None", ""), "takes no keyword `opts`"),
        (GOOD.replace("lab:proxmox:Disks", "lab:storage:Disks"), "has the type token lab:storage:Disks"),
        ("class Disks(ComponentResource):\n    pass\n", "has no __init__"),
    ],
)
def test_a_component_that_is_not_is_caught(text: str, complaint: str):
    assert complaint in "\n".join(complaints(read(text, "components/proxmox/disks.py")))


def test_a_component_that_is_well_formed_is_not():
    assert complaints(read(GOOD, "components/proxmox/disks.py")) == []
