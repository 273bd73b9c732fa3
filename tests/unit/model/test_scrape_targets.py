"""Scrape targets follow from the inventory."""

from ipaddress import IPv4Address

import pytest
from pydantic import ValidationError

from inventory import LAB
from inventory.names import K8S, METAL
from inventory.workloads import WORKLOADS
from model.hardware import HostName
from model.lab import Lab
from model.rules.cables import cables
from model.workloads.observability.scraping import Exporters, ScrapeJob, scrape_jobs
from tests.harness.lab_stacks import read_configuration

EXPORTERS = WORKLOADS.observability.exporters
NEW = HostName("japan")
NEW_ADDRESS = IPv4Address("10.0.20.14")


def with_host(lab: Lab) -> Lab:
    """The lab with one more Proxmox host."""
    host = lab.hypervisors[0].model_copy(
        update={"name": NEW, "addresses": {METAL: NEW_ADDRESS, K8S: IPv4Address("10.0.30.14")}}
    )
    return lab.model_copy(update={"hosts": (*lab.hosts, host)})


def places(jobs: tuple[ScrapeJob, ...]) -> dict[str, set[tuple[str, str]]]:
    """Instance and place of every target, by job."""
    interval = WORKLOADS.observability.prometheus.interval
    return {
        job.name: {(entry.labels["instance"], entry.targets[0]) for entry in job.spec(interval).static_configs}
        for job in jobs
    }


def test_a_new_host_brings_its_targets():
    before, after = places(scrape_jobs(LAB, EXPORTERS)), places(scrape_jobs(with_host(LAB), EXPORTERS))
    added = {name: after[name] - before[name] for name in after}
    assert added == {
        "node": {("japan", "10.0.20.14:9100")},
        "smartctl": {("japan", "10.0.20.14:9633")},
        "systemd": {("japan", "10.0.20.14:9558")},
        "proxmox": {("japan", "10.0.20.14")},
        "ceph": set(),
        "ups": set(),
        "pikvm": set(),
    }


def test_a_host_that_leaves_takes_its_targets_along():
    gone = LAB.model_copy(update={"hosts": tuple(host for host in LAB.hosts if host.name != "stale")})
    ceph = LAB.ceph.model_copy(update={"monitors": LAB.ceph.monitors[:2]})
    left = places(scrape_jobs(gone.model_copy(update={"ceph": ceph}), EXPORTERS))
    assert "stale" not in {instance for targets in left.values() for instance, _ in targets}


def test_what_stands_around_the_hosts_is_asked_too():
    found = places(scrape_jobs(LAB, EXPORTERS))
    assert ("protectli", "10.0.9.1:9100") in found["node"]
    assert found["pikvm"] == {("pikvm", "10.0.10.24:443")}
    assert found["ups"] == {("ups", "10.0.20.12:9199")}
    assert {place for _, place in found["ceph"]} == {"10.0.20.11:9283", "10.0.20.12:9283", "10.0.20.13:9283"}


def test_a_thing_that_is_not_there_has_no_job():
    without = LAB.model_copy(update={"consoles": (), "power_supplies": ()})
    assert {"pikvm", "ups"}.isdisjoint(places(scrape_jobs(without, EXPORTERS)))


def test_machines_that_are_nodes_are_left_to_the_cluster():
    targets = {instance for found in places(scrape_jobs(LAB, EXPORTERS)).values() for instance, _ in found}
    assert targets.isdisjoint({"nose", "tail"})


def test_proxmox_is_asked_through_its_exporter():
    (job,) = [one for one in scrape_jobs(LAB, EXPORTERS) if one.name == "proxmox"]
    document = job.spec(WORKLOADS.observability.prometheus.interval).document()
    assert document["relabelings"] == [
        {"sourceLabels": ["__address__"], "targetLabel": "__param_target"},
        {"targetLabel": "__address__", "replacement": EXPORTERS.proxmox},
    ]


def test_a_battery_is_watched_by_a_host_that_can():
    (supply,) = LAB.power_supplies
    broken = LAB.model_copy(update={"power_supplies": (supply.model_copy(update={"watched_by": "nose"}),)})
    (violation,) = cables(broken, read_configuration())
    assert violation.message == "UPS ups is watched by `nose`, which is no Proxmox host"


def test_a_job_without_targets_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        ScrapeJob(name="empty", targets=())


def test_exporters_name_everything():
    with pytest.raises(ValidationError, match="console"):
        Exporters.model_validate({"network": METAL, "proxmox": "pve:9221"})
