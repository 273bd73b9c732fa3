"""Copies of backups as they are registered."""

import re

import pytest

from inventory.workloads import WORKLOADS
from model.exclusive import Colour
from tests.graph.workloads import layers
from tests.graph.workloads.layers import before, everything, first_build, of_colour, spec

CRON = "kubernetes:argoproj.io/v1alpha1:CronWorkflow"
TEMPLATE = "kubernetes:argoproj.io/v1alpha1:WorkflowTemplate"
_DESTRUCTIVE = re.compile(
    r"\bmc (?:rb|rm)\b|rclone (?:sync|move|purge|delete|rmdirs?)|bucket\.delete|DeleteBucket|s3api delete|s3 rb",
    re.IGNORECASE,
)


def test_only_the_colour_with_the_lease_copies():
    assert {one.name for one in of_colour(Colour.GREEN).of_type(CRON)} == {
        job.name for job in WORKLOADS.backups.copies.jobs
    }
    assert not of_colour(Colour.BLUE).of_type(CRON)


@pytest.mark.parametrize("colour", Colour)
def test_every_colour_has_the_ways_back(colour: Colour):
    names = {one.name for one in of_colour(colour).of_type(TEMPLATE)}
    assert names >= {
        f"fill-{bucket.name}-from-{tier}"
        for bucket in WORKLOADS.object_storage.copied
        for tier in ("cold", "offsite")
    }


def test_a_store_is_filled_before_anything_is_restored_from_it():
    restore = next(one for one in everything().of_type(layers.JOB) if one.name == "test-test-restore")
    assert {(layers.WORKFLOW, f"fill-{bucket.name}") for bucket in WORKLOADS.object_storage.copied} <= before(
        everything(), restore
    )


def test_a_cluster_that_begins_empty_fills_nothing():
    assert [one.name for one in first_build().of_type(layers.WORKFLOW) if one.name.startswith("fill-")] == []


def test_no_copy_runs_twice_at_once_or_for_ever():
    for one in everything().of_type(CRON):
        job = next(job for job in WORKLOADS.backups.copies.jobs if job.name == one.name)
        assert spec(one)["concurrencyPolicy"] == "Forbid"
        assert spec(one)["timezone"] == "Etc/UTC"
        assert spec(one)["workflowSpec"]["activeDeadlineSeconds"] == job.duration


@pytest.mark.parametrize("colour", Colour)
def test_nothing_of_the_lab_removes_a_bucket_or_mirrors(colour: Colour):
    """D2: no command of any container, argument or file does."""
    for one in of_colour(colour).registrations:
        assert _DESTRUCTIVE.search(str(one.clear_inputs)) is None, one


@pytest.mark.parametrize("colour", Colour)
def test_no_backup_touches_argo_cd_or_stops_a_server(colour: Colour):
    """D25: there is nothing that a failure could leave switched off."""
    for one in (*of_colour(colour).of_type(CRON), *of_colour(colour).of_type(TEMPLATE)):
        assert re.search(r"kubectl|argocd|autosync|scale|resource'", str(spec(one))) is None, one
    role = next(
        one for one in of_colour(colour).registrations if one.name == "storage-copies-role"
    )
    assert role.clear_inputs["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    ]
