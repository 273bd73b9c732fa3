"""The recorder answers as the engine does and keeps runs apart."""

import pulumi
import pulumi_random as random
import pytest

from tests.harness.answers import lab_answers
from tests.harness.program import record
from tests.harness.recording import Recording
from twin.providers import wire


class Shelf(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, *, depth: int = 0) -> None:
        super().__init__(f"test:index:Shelf{depth}", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        self.password = random.RandomPassword(f"password-{depth}", length=8, opts=inside)
        if depth < 2:
            Shelf(f"inner-{depth}", inside, depth=depth + 1)
        self.register_outputs({"password": self.password.result})


def run(*, preview: bool = False, protect: bool | None = None) -> Recording:
    def program() -> None:
        given = pulumi.ResourceOptions(providers=[random.Provider("random")], protect=protect)
        shelf = Shelf("shelf", given)
        pulumi.export("password", shelf.password.result)

    return record(program, stack="green", answers=lab_answers(None), preview=preview)


def test_a_urn_holds_the_types_of_all_ancestors_but_the_stack():
    found = run().one("random:index/randomPassword:RandomPassword", "password-2")
    chain = "test:index:Shelf0$test:index:Shelf1$test:index:Shelf2$random:index/randomPassword:RandomPassword"
    assert found.urn == f"urn:pulumi:green::bhamm-lab::{chain}::password-2"


def test_ancestors_lead_to_the_stack():
    recording = run()
    found = recording.one("random:index/randomPassword:RandomPassword", "password-1")
    names = [one.name for one in recording.ancestors(found)]
    assert names == ["inner-0", "shelf", "bhamm-lab-green"]


def test_the_provider_is_inherited_through_the_components():
    recording = run()
    (provider,) = (one for one in recording.registrations if one.is_provider)
    assert {one.provider for one in recording.managed} == {provider.urn}


def test_protection_of_a_component_reaches_its_children():
    assert {one.protect for one in run(protect=True).managed} == {True}
    assert {one.protect for one in run().managed} == {False}


def test_a_preview_does_not_know_what_is_not_made_yet():
    recording = run(preview=True)
    (component,) = recording.of_type("test:index:Shelf0")
    assert wire.has_unknown(recording.registered_outputs[component.urn]["password"])


def test_secret_outputs_are_secret_in_state_and_in_what_is_made_of_them():
    recording = run()
    made = recording.one("random:index/randomPassword:RandomPassword", "password-0")
    assert made.state["result"] == wire.Secret("sentinel-secret(password)")
    assert recording.outputs["password"] == wire.Secret("sentinel-secret(password)")


def test_runs_do_not_see_each_other():
    first, second = run(), run()
    assert [one.urn for one in first.registrations] == [one.urn for one in second.registrations]
    assert pulumi.runtime.settings.get_root_resource() is None


def test_an_error_in_the_program_is_raised():
    def program() -> None:
        raise pulumi.RunError("the plan is wrong")

    with pytest.raises(pulumi.RunError, match="the plan is wrong"):
        record(program, stack="green", answers=lab_answers(None))


def test_an_error_in_an_apply_that_nobody_waits_for_is_raised():
    def program() -> None:
        def fail(_: str) -> None:
            raise ValueError("found out late")

        provider = random.Provider("random")
        made = random.RandomPassword("password", length=8, opts=pulumi.ResourceOptions(provider=provider))
        made.result.apply(fail)

    with pytest.raises(ValueError, match="found out late"):
        record(program, stack="green", answers=lab_answers(None))


def test_a_resource_that_nobody_described_is_not_made_up():
    def program() -> None:
        provider = random.Provider("random")
        random.RandomPet("pet", opts=pulumi.ResourceOptions(provider=provider))

    with pytest.raises(LookupError, match="no answer is described for random:index/randomPet:RandomPet"):
        record(program, stack="green", answers=lab_answers(None))
