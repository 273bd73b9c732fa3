"""What holds of every stack of the lab, on `up` and in a preview."""

from collections.abc import Callable

import pytest

from tests.harness import conformance
from tests.harness.lab_stacks import SECRETS
from tests.harness.recording import Recording


@pytest.mark.parametrize("check", conformance.EVERY_CHECK)
def test_check(recording: Recording, check: Callable[[Recording], list[str]]):
    offenders = check(recording)
    assert not offenders, f"{len(offenders)} in {recording.stack}:\n" + "\n".join(offenders)


def test_both_kinds_of_run_register_the_same(stack: str, recorded: Callable[[str, bool], Recording]):
    applied, previewed = ({one.urn for one in recorded(stack, preview).registrations} for preview in (False, True))
    assert applied == previewed


def test_every_answer_names_outputs_that_the_sdk_knows(recording: Recording):
    offenders = [
        f"{one}: {name}"
        for one in recording.managed
        if not conformance.CUSTOM_KIND.match(one.type)
        for name in one.state
        if name not in conformance.declared(one.type).outputs
        if name not in conformance.UNDECLARED.get(one.type, ())
    ]
    assert not offenders, "the harness answers with outputs that do not exist:\n" + "\n".join(offenders)


def test_every_provider_is_used(recording: Recording):
    used = {one.provider for one in (*recording.managed, *recording.invocations)}
    idle = [one.name for one in recording.registrations if one.is_provider and one.urn not in used]
    # A preview asks Talos for nothing before its secrets exist, but it plans their creation with the same provider.
    assert not idle


def test_sentinels_reach_what_they_are_meant_for(recorded: Callable[[str, bool], Recording]):
    """A harness whose secrets go nowhere would find nothing in clear."""
    green, shared = recorded("green", False), recorded("shared", False)
    assert "machineSecrets" in green.one(SECRETS, "secrets").state
    secret = {name for name, value in (green.outputs | shared.outputs).items() if "sentinel" in repr(value)}
    assert secret == {
        "kubeconfig", "talosconfig", "backup_server_passwords", "sops_account_key", "vertex_account_key"
    }  # fmt: skip
