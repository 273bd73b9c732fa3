"""Every check catches the small bad program made for it: a check that cannot fail proves nothing."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_proxmoxve as proxmox
import pulumi_random as random
import pulumiverse_talos as talos
import pytest

from tests.harness import checks, conformance
from tests.harness.answers import lab_answers, sentinel
from tests.harness.monitor import Answers, Made
from tests.harness.program import NetworkUsedError, record
from tests.harness.recording import Recording


class Box(pulumi.ComponentResource):
    """A component that does everything right around what a test puts into it."""

    def __init__(self, name: str, fill: Callable[["Box"], object], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Box", name, None, opts)
        fill(self)
        self.register_outputs({})

    @property
    def inside(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)


def run(program: Callable[[], object], *, preview: bool = False, answers: Answers | None = None) -> Recording:
    def body() -> None:
        program()

    return record(body, stack="green", answers=answers or lab_answers(None), preview=preview)


def boxed(fill: Callable[[Box], object]) -> Callable[[], object]:
    """The filling in a component with every provider it may need."""

    def program() -> None:
        providers: list[pulumi.ProviderResource] = [
            random.Provider("random"), proxmox.Provider("proxmox"), talos.Provider("talos")
        ]  # fmt: skip
        Box("box", fill, pulumi.ResourceOptions(providers=providers))

    return program


def mapping(box: Box, **inputs: Any) -> proxmox.hardware.mapping.Pci:
    given: dict[str, Any] = {
        "name": "card", "maps": [{"node": "method", "path": "0000:01:00.0", "id": "8086:56a6"}]
    }  # fmt: skip
    return proxmox.hardware.mapping.Pci("card", opts=box.inside, **{**given, **inputs})



@pytest.mark.parametrize("check", conformance.EVERY_CHECK)
@pytest.mark.parametrize("preview", [False, True])
def test_a_good_program_passes_every_check(check: Callable[[Recording], list[str]], preview: bool):
    def fill(box: Box) -> None:
        secret = random.RandomPassword("password", length=8, opts=box.inside)
        mapping(box, comment=secret.result)

    assert check(run(boxed(fill), preview=preview)) == []


def test_a_second_resource_with_the_same_urn_is_caught():
    def fill(box: Box) -> None:
        for _ in range(2):
            random.RandomPassword("password", length=8, opts=box.inside)

    (offender,) = checks.duplicate_urns(run(boxed(fill)))
    assert "test:index:Box$random:index/randomPassword:RandomPassword::password is registered 2 times" in offender


def test_one_name_under_two_parents_is_two_urns():
    def fill(box: Box) -> None:
        random.RandomPassword("password", length=8, opts=box.inside)
        Box("inner", lambda inner: random.RandomPassword("password", length=8, opts=inner.inside), box.inside)

    assert checks.duplicate_urns(run(boxed(fill))) == []


def test_a_resource_and_a_call_without_a_provider_are_caught():
    def fill(box: Box) -> None:
        random.RandomPassword("password", length=8, opts=box.inside)
        talos.client.get_configuration_output(
            cluster_name="green",
            client_configuration={"ca_certificate": "a", "client_certificate": "b", "client_key": "c"},
            opts=pulumi.InvokeOutputOptions(parent=box),
        )

    assert checks.implicit_providers(run(lambda: Box("box", fill))) == [
        "random:index/randomPassword:RandomPassword password names no provider",
        "call of talos:client/getConfiguration:getConfiguration names no provider",
    ]


def test_a_child_outside_every_component_is_caught():
    def program() -> None:
        opts = pulumi.ResourceOptions(provider=random.Provider("random"))
        random.RandomPassword("password", length=8, opts=opts)

    (offender,) = checks.escaped_children(run(program))
    assert offender.startswith("random:index/randomPassword:RandomPassword password has no component as its parent")


def test_a_child_of_another_resource_is_caught():
    def fill(box: Box) -> None:
        password = random.RandomPassword("password", length=8, opts=box.inside)
        random.RandomPassword("second", length=8, opts=pulumi.ResourceOptions(parent=password))

    (offender,) = checks.escaped_children(run(boxed(fill)))
    assert "RandomPassword second" in offender


def test_a_component_that_does_not_finish_is_caught():
    class Unfinished(pulumi.ComponentResource):
        def __init__(self) -> None:
            super().__init__("test:index:Unfinished", "unfinished")

    assert checks.unfinished_components(run(Unfinished)) == [
        "test:index:Unfinished unfinished does not call register_outputs"
    ]


def test_an_output_formatted_into_a_text_is_an_error():
    def fill(box: Box) -> None:
        secret = random.RandomPassword("password", length=8, opts=box.inside)
        mapping(box, comment=f"made by {secret.id}")

    with pytest.raises(Exception, match="Calling __str__ on an Output"):
        run(boxed(fill))


def test_the_text_of_an_output_is_caught_where_it_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def fill(box: Box) -> None:
        monkeypatch.delitem(os.environ, "PULUMI_ERROR_OUTPUT_STRING")
        secret = random.RandomPassword("password", length=8, opts=box.inside)
        mapping(box, comment=f"made by {secret.id}")

    found = checks.outputs_as_text(run(boxed(fill)))
    assert found[0].startswith("proxmoxve:hardware/mapping/pci:Pci card input comment: an Output is formatted")


@pytest.mark.parametrize("preview", [False, True])
def test_a_secret_in_clear_in_an_input_is_caught(preview: bool):
    def fill(box: Box) -> None:
        secret = random.RandomPassword("password", length=8, opts=box.inside)
        mapping(box, comment=pulumi.Output.unsecret(secret.result))

    found = checks.secrets_in_clear(run(boxed(fill), preview=preview))
    # What is not made yet cannot be told by a preview.
    assert [one.split(" shows")[0] for one in found] == ([] if preview else [
        "proxmoxve:hardware/mapping/pci:Pci card input comment",
        "proxmoxve:hardware/mapping/pci:Pci card output comment",
    ])  # fmt: skip


def test_a_secret_in_clear_within_a_larger_text_and_in_stack_outputs_is_caught():
    def fill(box: Box) -> None:
        secret = random.RandomPassword("password", length=8, opts=box.inside)
        plain = pulumi.Output.unsecret(secret.result)
        pulumi.export("login", {"users": [pulumi.Output.concat("root:", plain)]})

    (offender,) = checks.secrets_in_clear(run(boxed(fill)))
    assert "registered output login.users[0] shows a secret: root:sentinel-secret(password)" in offender


def test_an_output_that_is_kept_in_clear_in_the_state_is_caught():
    def create(token: str, name: str, inputs: object) -> Made:
        return Made(name, {"comment": sentinel("comment")} if token.endswith(":Pci") else {})

    answers = dataclasses.replace(lab_answers(None), create=create)
    (offender,) = checks.secrets_in_clear(run(boxed(mapping), answers=answers))
    assert offender.startswith("proxmoxve:hardware/mapping/pci:Pci card output comment shows a secret")


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"comment": 5}, "`comment` must be a string, not the number 5"),
        ({"maps": "0000:01:00.0"}, "`maps` must be a list, not a string"),
        ({"maps": [{"path": "0000:01:00.0", "id": "8086:56a6"}]}, "`maps[0].node` is required and missing"),
        (
            {"maps": [{"node": "method", "id": "8086:56a6", "iommuGrup": 4}]},
            "`maps[0].iommuGrup` is not a property here; did you mean `iommuGroup`?",
        ),
        (
            {"maps": [{"node": "method", "id": "8086:56a6", "iommu_group": "four"}]},
            "`maps[0].iommuGroup` must be a whole number, not a string",
        ),
    ],
)
def test_an_input_that_does_not_fit_its_type_is_caught(inputs: dict[str, object], complaint: str):
    found = conformance.nonconforming_inputs(run(boxed(lambda box: mapping(box, **inputs))))
    assert f"proxmoxve:hardware/mapping/pci:Pci card: {complaint}" in found


def test_a_dictionary_given_to_a_call_keeps_the_names_of_python_and_is_caught():
    def fill(box: Box) -> None:
        talos.client.get_configuration_output(
            cluster_name="green",
            client_configuration={"ca_certificate": "a", "client_certificate": "b", "client_key": "c"},
            opts=pulumi.InvokeOutputOptions(parent=box),
        )

    recording = run(boxed(fill))
    assert sorted(one.split("`")[1] for one in conformance.snake_case_leaks(recording)) == [
        "clientConfiguration.ca_certificate",
        "clientConfiguration.client_certificate",
        "clientConfiguration.client_key",
    ]
    call = "call of talos:client/getConfiguration:getConfiguration"
    assert f"{call}: `clientConfiguration.clientKey` is required and missing" in conformance.nonconforming_inputs(
        recording
    )


def test_a_name_spelled_as_in_python_is_caught():
    def fill(box: Box) -> None:
        mapping(box, maps=[{"node": "method", "id": "8086:56a6", "sub_system": "8086:4019"}])

    (offender,) = conformance.snake_case_leaks(run(boxed(fill)))
    assert "`maps[0].sub_system` is spelled as in Python" in offender


def test_keys_of_a_map_are_the_users_own():
    def fill(box: Box) -> None:
        random.RandomPassword("password", length=8, keepers={"talos_version": "v1"}, opts=box.inside)

    assert conformance.snake_case_leaks(run(boxed(fill))) == []


def test_a_plan_that_asks_the_network_is_refused():
    def program() -> None:
        import urllib.request

        urllib.request.urlopen("http://factory.talos.dev/schematics")

    with pytest.raises(Exception, match="must not need the network") as raised:
        run(program)
    causes = [raised.value, raised.value.__cause__, getattr(raised.value, "reason", None)]
    assert any(isinstance(cause, NetworkUsedError) for cause in causes)
