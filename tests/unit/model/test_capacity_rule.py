"""The capacity rule against plain sums, and the lab's own numbers."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from inventory import LAB
from model.cluster import NodeRole
from model.colour import plan_nodes
from model.configuration import Configuration
from model.exclusive import Colour, LeaseName
from model.hardware import DiskUse, Host, HostName
from model.lab import Lab
from model.rules.capacity import capacity, coexistence
from model.units import GiB, MiB
from model.violation import Violation
from tests.unit.model.lab_copies import EXAMPLES, changed, configuration, with_hosts

_HARDWARE_LEASES = tuple(node.lease for node in LAB.cluster.placements if node.lease is not None)
_EVERYTHING_GREEN = configuration(leases=dict.fromkeys(_HARDWARE_LEASES, Colour.GREEN))


@st.composite
def labs(draw: st.DrawFn) -> Lab:
    """The lab with other memory, factors, disks, shapes and guests."""
    fields = {
        str(host.name): {
            "memory": MiB(draw(st.integers(16, 192)) * 1024),
            "memory_factor": Decimal(draw(st.integers(50, 200))) / 100,
        }
        for host in LAB.hypervisors
    }
    lab = with_hosts(LAB, fields)
    shapes = tuple(
        shape
        if shape.role.is_metal
        else shape.model_copy(
            update={
                "virtual_cpus": draw(st.integers(2, 8)),
                "base_memory": MiB(draw(st.integers(2048, 32768))),
                "fixed_memory": draw(st.none() | st.integers(2048, 65536).map(MiB)),
                "disk": GiB(draw(st.integers(10, 300))),
                "user_disk": draw(st.none() | st.integers(10, 100).map(GiB)),
            }
        )
        for shape in lab.cluster.shapes
    )
    guests = tuple(
        guest.model_copy(
            update={
                "memory": MiB(draw(st.integers(512, 40960))),
                "virtual_cpus": draw(st.integers(1, 8)),
                "host": draw(st.sampled_from([host.name for host in LAB.hypervisors])),
            }
        )
        for guest in lab.guests
    )
    return changed(lab, guests=guests, cluster=lab.cluster.model_copy(update={"shapes": shapes}))


@st.composite
def holders(draw: st.DrawFn) -> Configuration:
    held = {lease: draw(st.none() | st.sampled_from(list(Colour))) for lease in _HARDWARE_LEASES}
    return configuration(leases={LeaseName(lease): one for lease, one in held.items() if one is not None})


def lacking(lab: Lab, configured: Configuration, colours: tuple[Colour, ...]) -> dict[tuple[HostName, str], int]:
    """What every host lacks, by plain sums over nodes and guests."""
    found: dict[tuple[HostName, str], int] = {}
    nodes = [node for one in colours for node in plan_nodes(lab, configured, one) if node.vm_id is not None]
    for host in lab.hypervisors:
        mine = [node for node in nodes if node.host == host.name]
        guests = [guest for guest in lab.guests if guest.host == host.name]
        memory = sum(node.memory for node in mine) + sum(guest.memory for guest in guests) + _reserve(lab, host)
        threads = sum(node.virtual_cpus for node in mine) + sum(guest.virtual_cpus for guest in guests)
        disk = sum((node.disk or 0) + (node.user_disk or 0) for node in mine) + sum(guest.disk for guest in guests)
        sums = (
            ("memory", memory - host.memory),
            ("virtual CPU", threads - int(host.processor.threads * lab.proxmox.virtual_cpus_per_thread)),
            ("disk", disk - host.volume_group_size),
        )
        found.update({(host.name, what): short for what, short in sums if short > 0})
    return found


def _reserve(lab: Lab, host: Host) -> int:
    disks = [disk for disk in host.disks if disk.use is DiskUse.CEPH_OSD]
    return lab.proxmox.reserve.system + len(disks) * lab.proxmox.reserve.per_osd


def told(violations: list[Violation]) -> dict[tuple[HostName, str], int]:
    found: dict[tuple[HostName, str], int] = {}
    for violation in violations:
        words = violation.message.split()
        if words[0] == "host":
            what = next(what for what in ("memory", "virtual CPU", "disk") if what in violation.message)
            found[HostName(words[1]), what] = int(words[3])
    return found


@EXAMPLES
@given(labs(), holders())
def test_both_colours_fit_together_exactly_when_the_sums_do(lab: Lab, configured: Configuration):
    both = tuple(Colour)

    assert told(coexistence(lab, configured, both)) == lacking(lab, configured, both)


@EXAMPLES
@given(labs(), holders())
def test_each_colour_alone_fits_exactly_when_its_sums_do(lab: Lab, configured: Configuration):
    expected = {key for one in Colour for key in lacking(lab, configured, (one,))}

    assert set(told(capacity(lab, configured))) == expected


@EXAMPLES
@given(labs(), holders())
def test_who_fits_with_the_other_fits_alone(lab: Lab, configured: Configuration):
    if not coexistence(lab, configured, tuple(Colour)):
        assert told(capacity(lab, configured)) == {}


def test_each_colour_of_the_lab_fits_alone():
    assert capacity(LAB, _EVERYTHING_GREEN) == []


def test_both_colours_of_the_lab_do_not_fit_on_method():
    (violation,) = coexistence(LAB, _EVERYTHING_GREEN, (Colour.GREEN, Colour.BLUE))

    assert "host method lacks 3482 MiB of memory for green, blue and shared" in violation.message
    assert "has 131072 MiB and keeps 12288 MiB" in violation.message
    assert "green holds 79259 MiB" in violation.message
    assert "blue holds 28671 MiB (blue-talos-worker-1 20070, blue-talos-master-1 8601)" in violation.message
    assert "shared holds 14336 MiB (truenas 10240, proxmox-backup-server 4096)" in violation.message
    assert "`arc-a310` frees 20070 MiB (green-talos-worker-intel-gpu)" in violation.fix


def test_both_colours_of_the_lab_fit_when_a_gpu_is_given_up():
    without_card = {lease: Colour.GREEN for lease in _HARDWARE_LEASES if lease != "arc-a310"}

    assert coexistence(LAB, configuration(leases=without_card), tuple(Colour)) == []


def test_one_colour_at_a_time_is_not_the_sum_of_both():
    assert coexistence(LAB, _EVERYTHING_GREEN, (Colour.GREEN,)) == []
    assert coexistence(LAB, _EVERYTHING_GREEN, (Colour.BLUE,)) == []


def test_what_the_guests_alone_overload_is_told_once():
    guests = tuple(guest.model_copy(update={"memory": MiB(262144)}) for guest in LAB.guests[:1])

    (violation,) = capacity(changed(LAB, guests=(*guests, *LAB.guests[1:])), _EVERYTHING_GREEN)

    assert "for shared:" in violation.message


def test_bare_machines_hold_nothing_of_a_hypervisor():
    metal = {node.suffix for node in LAB.cluster.placements if node.role is NodeRole.STRIX_HALO}
    (violation,) = coexistence(LAB, _EVERYTHING_GREEN, tuple(Colour))

    assert metal
    assert not any(suffix in violation.message for suffix in metal)
