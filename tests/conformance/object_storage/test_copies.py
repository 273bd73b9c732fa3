"""The lab's copy jobs as their Workflows have them, run by real rclone between real S3 servers."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.storage_copies import WORK, Tiers, copy_ground
from inventory import LAB
from inventory.buckets import COLD
from inventory.cloud import CLOUD
from inventory.workloads import WORKLOADS
from model.backups import Tier
from model.exclusive import Colour
from model.lineage import Incarnation, IncarnationNumber, Lineage
from model.object_storage import policy
from model.workloads.custom.argo_workflows import Container, WorkflowSpec
from tests.conformance.object_storage.stores import Keys, S3Server, code, objects

SNAPSHOTS, ARCHIVES = "k8up-backups", "cnpg-backups"
OFFSITE_BUCKET = CLOUD.cloudflare.bucket.name
MANIFESTS = f"manifests/{SNAPSHOTS}/"
REPOSITORY = {
    "config": b"repository",
    "keys/0a": b"key",
    "data/1a/1a2b": b"pack one",
    "data/2c/2c3d": b"pack two",
    "index/7e": b"1a2b 2c3d",
    "snapshots/9f": b"7e",
}
LOCK = {"locks/5b": b"somebody writes"}
ARCHIVE = {
    "test-postgresql-green-1/base/20261125T073000/data.tar": b"base",
    "test-postgresql-green-1/base/20261125T073000/backup.info": b"DONE",
    "test-postgresql-green-1/wals/0000000100000000/000000010000000000000001": b"log",
}


@dataclass
class Pushgateway:
    """What was told to it, by path."""

    url: str
    told: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def pushgateway() -> Iterator[Pushgateway]:
    told: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told[self.path] = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Pushgateway(f"http://127.0.0.1:{server.server_port}", told)
    server.shutdown()


@dataclass
class Laboratory:
    """The three stores, emptied, and what runs the steps of a Workflow between them."""

    hot: S3Server
    cold: S3Server
    offsite: S3Server
    keys: Mapping[str, str]
    pushgateway: Pushgateway
    rclone: Path
    folder: Path
    build: int = 1
    fails: tuple[str, ...] = ()
    """Steps before which the run is cut off."""
    second: int = 0
    """In which the last copy began: a manifest is named by it, and no job of the lab begins twice in one."""

    @property
    def tiers(self) -> Tiers:
        own = Incarnation(colour=Colour.GREEN, number=IncarnationNumber(self.build))
        return Tiers(copy_ground(LAB, WORKLOADS, Lineage(own=own)), WORKLOADS.object_storage)

    def copy(self, name: str, **changes: str) -> subprocess.CompletedProcess[str]:
        (job,) = [job for job in WORKLOADS.backups.copies.jobs if job.name == name]
        while int(time.time()) == self.second:
            time.sleep(0.05)
        self.second = int(time.time())
        return self.run(self.tiers.copy(job), **changes)

    def fill(self, bucket: str, source: Tier) -> subprocess.CompletedProcess[str]:
        (found,) = [one for one in WORKLOADS.object_storage.buckets if one.name == bucket]
        return self.run(self.tiers.fill(found, source))

    def run(self, spec: WorkflowSpec, **changes: str) -> subprocess.CompletedProcess[str]:
        """The containers one after the other, as the kubelet runs them; the last result, or the first failure."""
        (template,) = spec.templates
        work = self.folder / f"work-{time.monotonic_ns()}"
        work.mkdir()
        done: subprocess.CompletedProcess[str] | None = None
        for container in (*(template.init_containers or ()), template.container):
            if container.name in self.fails:
                break
            done = self.step(container, work, changes)
            if done.returncode != 0:
                break
        assert done is not None
        return done

    def step(self, container: Container, work: Path, changes: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        assert container.command is not None
        return subprocess.run(
            [*container.command, *(container.args or ())],
            env={**self._environment(container, work), **changes},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def _environment(self, container: Container, work: Path) -> dict[str, str]:
        there = {
            WORKLOADS.object_storage.endpoint: self.hot.endpoint,
            self.tiers.ground.cold_endpoint: self.cold.endpoint,
            self.tiers.ground.offsite_endpoint: self.offsite.endpoint,
            WORKLOADS.backups.copies.pushgateway: self.pushgateway.url,
        }
        found = {"PATH": f"{self.rclone}:{os.environ['PATH']}"}
        for variable in container.env or ():
            name = str(variable["name"])
            if "valueFrom" in variable:
                found[name] = self.keys[variable["valueFrom"]["secretKeyRef"]["key"]]
            else:
                value = str(variable["value"])
                found[name] = there.get(value, value.replace(WORK, str(work)) if value.startswith(WORK) else value)
        return found

    def put(self, bucket: str, content: Mapping[str, bytes]) -> None:
        client = self.hot.client(self.hot.administrator)
        for key, body in content.items():
            client.put_object(Bucket=bucket, Key=key, Body=body)

    def remove(self, bucket: str, *keys: str) -> None:
        client = self.hot.client(self.hot.administrator)
        for key in keys:
            client.delete_object(Bucket=bucket, Key=key)

    def in_hot(self, bucket: str) -> dict[str, bytes]:
        return objects(self.hot.client(self.hot.administrator), bucket)

    def copied(self, server: S3Server, bucket: str, folder: str = SNAPSHOTS) -> dict[str, bytes]:
        found = objects(server.client(server.administrator), bucket, f"{folder}/")
        return {key.removeprefix(f"{folder}/"): body for key, body in found.items()}

    def manifests(self, server: S3Server, bucket: str, of: str = SNAPSHOTS) -> dict[str, bytes]:
        return self.copied(server, bucket, f"manifests/{of}")


@pytest.fixture(scope="session")
def secret(hot: S3Server, cold: S3Server, offsite: S3Server, keys: Mapping[str, Keys]) -> dict[str, str]:
    """What the Secret of the copies holds, by key."""
    found: dict[str, str] = {}
    users = {user.name: cold.add_user(f"{user.name}-of-copies", policy(user)) for user in COLD.users}
    pairs = [
        *((WORKLOADS.object_storage.user(name).keys, keys[name]) for name in ("mirror", "filler")),
        *((user.keys, users[user.name]) for user in COLD.users),
        (WORKLOADS.backups.copies.offsite, offsite.administrator),
    ]
    for pair, real in pairs:
        found |= {pair.access_key.property: real.access, pair.secret_key.property: real.secret}
    return found


@pytest.fixture
def lab(
    hot: S3Server,
    cold: S3Server,
    offsite: S3Server,
    secret: dict[str, str],
    pushgateway: Pushgateway,
    rclone: Path,
    tmp_path: Path,
) -> Laboratory:
    for server, buckets in ((hot, (SNAPSHOTS, ARCHIVES)), (cold, (COLD.bucket,)), (offsite, (OFFSITE_BUCKET,))):
        client = server.client(server.administrator)
        for bucket in buckets:
            for key in objects(client, bucket):
                client.delete_object(Bucket=bucket, Key=key)
    made = Laboratory(hot, cold, offsite, secret, pushgateway, rclone, tmp_path)
    made.put(SNAPSHOTS, {**REPOSITORY, **LOCK})
    made.put(ARCHIVES, ARCHIVE)
    return made


def succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_repository_goes_to_the_cold_store_and_out_of_the_house(lab: Laboratory):
    before = int(time.time())
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))
    assert lab.copied(lab.cold, COLD.bucket) == REPOSITORY
    assert lab.copied(lab.offsite, OFFSITE_BUCKET) == REPOSITORY
    (cold_name, cold_manifest), = lab.manifests(lab.cold, COLD.bucket).items()
    (offsite_name, offsite_manifest), = lab.manifests(lab.offsite, OFFSITE_BUCKET).items()
    assert cold_name == offsite_name
    assert cold_manifest == offsite_manifest
    second, build = cold_name.split("-", 1)
    assert before <= int(second) <= time.time()
    assert build == "green-1"
    lines = dict(line.split(";")[::-1] for line in cold_manifest.decode().splitlines())
    assert lines == {path: str(len(body)) for path, body in REPOSITORY.items()}


def test_archives_of_databases_go_the_same_way(lab: Laboratory):
    succeeded(lab.copy("cold-archives"))
    succeeded(lab.copy("offsite-archives"))
    assert lab.copied(lab.offsite, OFFSITE_BUCKET, ARCHIVES) == ARCHIVE


def test_a_deletion_upstream_does_not_propagate(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))
    lab.remove(SNAPSHOTS, "data/1a/1a2b")
    lab.put(SNAPSHOTS, {"data/3e/3e4f": b"pack three"})
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))
    for found in (lab.copied(lab.cold, COLD.bucket), lab.copied(lab.offsite, OFFSITE_BUCKET)):
        assert found == {**REPOSITORY, "data/3e/3e4f": b"pack three"}


def test_an_emptied_store_is_not_copied(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    lab.remove(SNAPSHOTS, *REPOSITORY, *LOCK)
    refused = lab.copy("cold-snapshots")
    assert refused.returncode != 0
    assert "is empty: an empty store is not copied" in refused.stderr
    assert lab.copied(lab.cold, COLD.bucket) == REPOSITORY


def test_a_repository_without_a_snapshot_is_no_backup(lab: Laboratory):
    lab.remove(SNAPSHOTS, "snapshots/9f")
    refused = lab.copy("cold-snapshots")
    assert refused.returncode != 0
    assert "has no complete backup: nothing is snapshots/.*" in refused.stderr
    assert lab.manifests(lab.cold, COLD.bucket) == {}


def test_a_corruption_upstream_does_not_propagate(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    lab.put(SNAPSHOTS, {"data/1a/1a2b": b"PACK ONE"})
    refused = lab.copy("cold-snapshots")
    assert refused.returncode != 0
    assert "immutable file modified" in refused.stderr
    assert lab.copied(lab.cold, COLD.bucket)["data/1a/1a2b"] == b"pack one"
    assert len(lab.manifests(lab.cold, COLD.bucket)) == 1


def test_another_repository_in_the_same_place_is_refused(lab: Laboratory):
    """A cluster that began empty made a repository of its own: it would mix with the one that is there."""
    succeeded(lab.copy("cold-snapshots"))
    lab.put(SNAPSHOTS, {"config": b"another repository"})
    assert "config: Source and destination exist but do not match" in lab.copy("cold-snapshots").stderr


def test_what_is_cut_off_never_counts(lab: Laboratory):
    lab.fails = ("verify",)
    lab.copy("cold-snapshots")
    assert lab.copied(lab.cold, COLD.bucket) == REPOSITORY
    refused = lab.copy("offsite-snapshots")
    assert refused.returncode != 0
    assert "there is no complete copy at source:seaweedfs/manifests/k8up-backups" in refused.stderr
    assert lab.copied(lab.offsite, OFFSITE_BUCKET) == {}
    lab.fails = ()
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))


def test_an_object_that_is_damaged_on_the_way_is_found(lab: Laboratory):
    client = lab.cold.client(lab.cold.administrator)
    client.put_object(Bucket=COLD.bucket, Key=f"{SNAPSHOTS}/data/2c/2c3d", Body=b"pack 2")
    refused = lab.copy("cold-snapshots")
    assert refused.returncode != 0
    assert "data/2c/2c3d" in refused.stderr
    assert lab.manifests(lab.cold, COLD.bucket) == {}


def test_a_backup_that_is_made_meanwhile_is_whole_in_the_next_copy_and_in_no_part_in_this_one(lab: Laboratory):
    """A snapshot that names a pack which came after the list is left out with it: nothing in the copy dangles."""
    spec = lab.tiers.copy(next(job for job in WORKLOADS.backups.copies.jobs if job.name == "cold-snapshots"))
    (template,) = spec.templates
    assert template.init_containers is not None
    work = lab.folder / "interleaved"
    work.mkdir()
    first, *others = (*template.init_containers, template.container)
    succeeded(lab.step(first, work, {}))
    meanwhile = {"data/3e/3e4f": b"pack three", "index/8f": b"3e4f", "snapshots/af": b"8f"}
    lab.put(SNAPSHOTS, meanwhile)
    for container in others:
        succeeded(lab.step(container, work, {}))
    assert lab.copied(lab.cold, COLD.bucket) == REPOSITORY
    succeeded(lab.copy("cold-snapshots"))
    assert lab.copied(lab.cold, COLD.bucket) == {**REPOSITORY, **meanwhile}


def test_what_names_others_is_copied_after_them(lab: Laboratory):
    """At every moment of a copy, what is there can be restored: the times of the objects show the order."""
    for number in range(40):
        lab.put(SNAPSHOTS, {f"data/aa/{number:04}": b"pack"})
    succeeded(lab.copy("cold-snapshots"))
    client = lab.cold.client(lab.cold.administrator)
    versions = client.list_object_versions(Bucket=COLD.bucket, Prefix=f"{SNAPSHOTS}/")["Versions"]
    times: dict[str, list[Any]] = {}
    for one in versions:
        if one["IsLatest"]:
            times.setdefault(one["Key"].split("/")[1], []).append(one["LastModified"])
    assert max(times["data"]) <= min(times["index"])
    assert max(times["index"]) <= min(times["snapshots"])


def test_an_older_build_leaves_the_copies_of_a_newer_one_alone(lab: Laboratory):
    lab.build = 3
    succeeded(lab.copy("cold-snapshots"))
    lab.build = 2
    refused = lab.copy("cold-snapshots")
    assert refused.returncode != 0
    assert "a newer build than green-2 writes there" in refused.stderr
    lab.build = 10
    time.sleep(1)
    succeeded(lab.copy("cold-snapshots"))


def test_old_objects_are_written_again_with_their_own_bytes(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    lab.put(SNAPSHOTS, {"data/3e/3e4f": b"pack three"})
    client = lab.cold.client(lab.cold.administrator)

    def written() -> dict[str, Any]:
        listed = client.list_objects_v2(Bucket=COLD.bucket, Prefix=f"{SNAPSHOTS}/")["Contents"]
        return {one["Key"].removeprefix(f"{SNAPSHOTS}/"): one["LastModified"] for one in listed}

    before = written()
    time.sleep(3)
    succeeded(lab.copy("cold-snapshots"))
    assert {key: written()[key] for key in before} == before
    succeeded(lab.copy("cold-snapshots", RENEW_AFTER="2"))
    after = written()
    assert [key for key in before if not after[key] > before[key]] == []
    assert lab.copied(lab.cold, COLD.bucket) == {**REPOSITORY, "data/3e/3e4f": b"pack three"}


def test_the_lock_out_of_the_house_holds_against_its_own_keys(lab: Laboratory):
    """Who has the keys of the copy can hide an object, but its version stays and can be read."""
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))
    client, key = lab.offsite.client(lab.offsite.administrator), f"{SNAPSHOTS}/snapshots/9f"
    versions = client.list_object_versions(Bucket=OFFSITE_BUCKET, Prefix=key)["Versions"]
    for version in versions:
        refused = code(client.delete_object, Bucket=OFFSITE_BUCKET, Key=key, VersionId=version["VersionId"])
        assert refused == "AccessDenied"
    assert code(client.delete_object, Bucket=OFFSITE_BUCKET, Key=key) == "OK"
    kept = client.get_object(Bucket=OFFSITE_BUCKET, Key=key, VersionId=versions[0]["VersionId"])["Body"].read()
    assert kept == b"7e"


@pytest.mark.parametrize("source", [Tier.COLD, Tier.OFFSITE])
def test_an_empty_store_is_filled_again_from_each_copy(lab: Laboratory, source: Tier):
    succeeded(lab.copy("cold-snapshots"))
    succeeded(lab.copy("offsite-snapshots"))
    lab.remove(SNAPSHOTS, *REPOSITORY, *LOCK)
    succeeded(lab.fill(SNAPSHOTS, source))
    assert lab.in_hot(SNAPSHOTS) == REPOSITORY


def test_filling_a_store_that_is_in_use_changes_nothing_that_is_there(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    newer = {"data/3e/3e4f": b"pack three", "snapshots/af": b"8f"}
    lab.put(SNAPSHOTS, newer)
    succeeded(lab.fill(SNAPSHOTS, Tier.COLD))
    assert lab.in_hot(SNAPSHOTS) == {**REPOSITORY, **LOCK, **newer}


def test_a_fill_from_nothing_fails(lab: Laboratory):
    refused = lab.fill(SNAPSHOTS, Tier.COLD)
    assert refused.returncode != 0
    assert "there is no complete copy" in refused.stderr


def test_the_pushgateway_is_told_how_old_the_data_is(lab: Laboratory):
    succeeded(lab.copy("cold-snapshots"))
    time.sleep(1)
    succeeded(lab.copy("offsite-snapshots"))
    told = lab.pushgateway.told
    assert set(told) == {
        "/metrics/job/lab_backup/copy/cold-snapshots/tier/cold",
        "/metrics/job/lab_backup/copy/offsite-snapshots/tier/offsite",
    }
    cold, offsite = (dict(line.split(" ") for line in text.splitlines()) for text in told.values())
    assert cold["lab_backup_data_timestamp_seconds"] == offsite["lab_backup_data_timestamp_seconds"]
    (name,) = lab.manifests(lab.cold, COLD.bucket)
    assert cold["lab_backup_data_timestamp_seconds"] == name.split("-")[0]
    assert int(offsite["lab_backup_last_success_timestamp_seconds"]) > int(name.split("-")[0])
    assert offsite["lab_backup_objects"] == str(len(REPOSITORY))
    assert offsite["lab_backup_bytes"] == str(sum(map(len, REPOSITORY.values())))


def test_a_copy_is_complete_without_a_pushgateway(lab: Laboratory):
    lab.pushgateway.url = "http://127.0.0.1:9"
    succeeded(lab.copy("cold-snapshots"))
    assert len(lab.manifests(lab.cold, COLD.bucket)) == 1
