"""The address rule on plans far from the lab's own, judged by enumerating every address."""

from collections import Counter
from ipaddress import IPv4Address, IPv4Network

from hypothesis import event, given
from hypothesis import strategies as st

from inventory import LAB
from model.cluster import NodeRole, Placement
from model.colour import plan_nodes
from model.configuration import AddressPlan, Configuration
from model.exclusive import Colour
from model.hardware import HostName
from model.lab import Lab
from model.rules.addresses import addresses
from model.units import VmId
from model.violation import Rule
from tests.unit.model.lab_copies import EXAMPLES, changed, configuration, plan, with_hosts

_CLUSTER = LAB.cluster.network


def moved_lab(subnet: IPv4Network, offsets: dict[str, int], control_planes: int, workers: int) -> Lab:
    """The lab with its cluster network elsewhere, metal machines at `offsets`, and another number of nodes."""
    networks = tuple(
        network.model_copy(
            update={
                "subnet": subnet,
                "firewall": subnet[1],
                "switch_gateway": subnet[2],
                "dns": subnet[1],
            }
        )
        if network.name == _CLUSTER
        else network
        for network in LAB.networks
    )
    lab = with_hosts(
        changed(LAB, networks=networks),
        {
            host.name: {"addresses": {**host.addresses, _CLUSTER: subnet[offsets[host.name]]}}
            for host in LAB.hosts
        },
    )
    metal = tuple(node for node in LAB.cluster.placements if node.role.is_metal)
    host = LAB.hypervisors[0].name
    virtual = (
        *(_node(f"master-{slot}", NodeRole.CONTROL_PLANE, host, slot) for slot in range(control_planes)),
        *(_node(f"worker-{slot}", NodeRole.WORKER, host, slot) for slot in range(workers)),
    )
    return changed(lab, cluster=lab.cluster.model_copy(update={"placements": (*virtual, *metal)}))


def _node(suffix: str, role: NodeRole, host: HostName, slot: int) -> Placement:
    return Placement(suffix=suffix, role=role, host=host, slot=slot)


def claimed(lab: Lab, configured: Configuration) -> list[tuple[str, IPv4Address]]:
    """Every address that somebody has in the cluster's network, with its owner, one by one."""
    network = lab.network(_CLUSTER)
    found = [("gateway", address) for address in network.reserved_addresses]
    found += [(host.name, host.addresses[_CLUSTER]) for host in lab.hosts if _CLUSTER in host.addresses]
    for one, settings in configured.colours.items():
        nodes = plan_nodes(lab, configured, one)
        found += [(node.name, node.address) for node in nodes if node.vm_id is not None]
        found.append((f"{one} vip", settings.address_plan.virtual_ip))
        found += [(f"{one} pool", address) for address in settings.address_plan.load_balancer_pool.addresses]
    return found


def vm_ids(lab: Lab, configured: Configuration) -> list[VmId]:
    nodes = [node for one in Colour for node in plan_nodes(lab, configured, one)]
    return [*(node.vm_id for node in nodes if node.vm_id is not None), *(guest.vm_id for guest in lab.guests)]


@st.composite
def subnets(draw: st.DrawFn) -> IPv4Network:
    prefix = draw(st.integers(22, 25))
    start = int(IPv4Address("172.16.0.0"))
    return IPv4Network((start + draw(st.integers(0, 2**10)) * 2 ** (32 - prefix), prefix))


@st.composite
def labs(draw: st.DrawFn, subnet: IPv4Network) -> Lab:
    last = subnet.num_addresses - 2
    offsets = draw(
        st.lists(st.integers(3, min(last, 40)), min_size=len(LAB.hosts), max_size=len(LAB.hosts), unique=True)
    )
    return moved_lab(
        subnet,
        {host.name: offset for host, offset in zip(LAB.hosts, offsets, strict=True)},
        control_planes=draw(st.sampled_from((1, 3, 5))),
        workers=draw(st.integers(1, 9)),
    )


def block_sizes(lab: Lab) -> tuple[int, int]:
    roles = Counter(node.role for node in lab.cluster.placements)
    return roles[NodeRole.CONTROL_PLANE], roles[NodeRole.WORKER]


@st.composite
def sound(draw: st.DrawFn) -> tuple[Lab, Configuration]:
    """A lab and two plans whose blocks were laid side by side in random order with random gaps."""
    subnet = draw(subnets())
    lab = draw(labs(subnet))
    control_planes, workers = block_sizes(lab)
    pools = {one: draw(st.integers(1, 5)) for one in Colour}
    blocks = {
        (one, kind): size
        for one in Colour
        for kind, size in (("control", control_planes), ("worker", workers), ("vip", 1), ("pool", pools[one]))
    }
    # Hosts and gateway are within the first 41 addresses.
    position = int(subnet.network_address) + 41
    starts: dict[tuple[Colour, str], int] = {}
    for block in draw(st.permutations(list(blocks))):
        position += draw(st.integers(0, 3))
        starts[block] = position
        position += blocks[block]
    identity = 200 + draw(st.integers(0, 50))
    ids: dict[tuple[Colour, str], int] = {}
    for block in draw(st.permutations([block for block in blocks if block[1] in {"control", "worker"}])):
        ids[block] = identity
        identity += blocks[block] + draw(st.integers(0, 3))
    return lab, configuration({one: _plan(one, starts, ids, pools[one]) for one in Colour})


def _plan(
    one: Colour, starts: dict[tuple[Colour, str], int], ids: dict[tuple[Colour, str], int], pool: int
) -> AddressPlan:
    return plan(
        starts[one, "control"],
        starts[one, "worker"],
        (ids[one, "control"], ids[one, "worker"]),
        starts[one, "vip"],
        (starts[one, "pool"], starts[one, "pool"] + pool - 1),
    )


@st.composite
def anything(draw: st.DrawFn) -> tuple[Lab, Configuration]:
    """A lab and two plans of random numbers in and around its subnet: most of them clash somewhere."""
    subnet = draw(subnets())
    lab = draw(labs(subnet))
    lowest, highest = int(subnet.network_address) - 4, int(subnet.broadcast_address) + 4
    numbers = st.integers(lowest, highest)
    ids = st.integers(100, 260)

    def one_plan() -> AddressPlan:
        first = draw(numbers)
        return plan(
            draw(numbers), draw(numbers), (draw(ids), draw(ids)), draw(numbers),
            (first, min(first + draw(st.integers(0, 12)), highest)),
        )  # fmt: skip

    return lab, configuration({one: one_plan() for one in Colour})


@EXAMPLES
@given(sound())
def test_a_sound_plan_has_no_violation_and_the_colours_share_nothing(case: tuple[Lab, Configuration]):
    lab, configured = case

    assert addresses(lab, configured) == []

    owners = Counter(address for _, address in claimed(lab, configured))
    assert max(owners.values()) == 1
    assert max(Counter(vm_ids(lab, configured)).values()) == 1


@EXAMPLES
@given(anything())
def test_a_violation_is_told_exactly_when_enumeration_finds_one(case: tuple[Lab, Configuration]):
    lab, configured = case
    subnet = lab.network(_CLUSTER).subnet
    claims = claimed(lab, configured)
    contested = any(times > 1 for times in Counter(address for _, address in claims).values())
    outside = any(address not in subnet or address in {subnet[0], subnet[-1]} for _, address in claims)
    same_id = any(times > 1 for times in Counter(vm_ids(lab, configured)).values())
    event(f"contested {contested}, outside {outside}, same id {same_id}")

    violations = addresses(lab, configured)

    assert bool(violations) is (contested or outside or same_id), [str(violation) for violation in violations]
    assert any("claimed twice" in violation.message for violation in violations) is (contested or same_id)
    assert {violation.rule for violation in violations} <= {Rule.ADDRESSES}


@EXAMPLES
@given(sound(), st.data())
def test_one_block_moved_onto_a_host_names_that_host(case: tuple[Lab, Configuration], data: st.DataObject):
    lab, configured = case
    one = data.draw(st.sampled_from(list(Colour)))
    host = data.draw(st.sampled_from(lab.hosts))
    settings = configured.colours[one]
    moved = settings.address_plan.model_copy(update={"virtual_ip": host.addresses[_CLUSTER]})
    colours = {**configured.colours, one: settings.model_copy(update={"address_plan": moved})}

    (violation,) = addresses(lab, configured.model_copy(update={"colours": colours}))

    assert f"host {host.name}" in violation.message
    assert str(violation.where).endswith("address_plan.virtual_ip")
    assert str(one) in violation.where.file


@EXAMPLES
@given(sound())
def test_the_addresses_that_a_fix_offers_are_free(case: tuple[Lab, Configuration]):
    lab, configured = case
    other = configured.colours[Colour.GREEN].address_plan
    settings = configured.colours[Colour.BLUE]
    clashing = settings.address_plan.model_copy(update={"load_balancer_pool": other.load_balancer_pool})
    colours = {**configured.colours, Colour.BLUE: settings.model_copy(update={"address_plan": clashing})}
    broken = configured.model_copy(update={"colours": colours})

    (violation,) = addresses(lab, broken)

    offered = violation.fix.rpartition("for example ")[2].split("–")
    run = range(int(IPv4Address(offered[0])), int(IPv4Address(offered[-1])) + 1)
    blue_pool = set(other.load_balancer_pool.addresses)
    taken = {int(address) for owner, address in claimed(lab, broken) if owner != "blue pool"}
    assert len(run) == len(blue_pool)
    assert not taken & set(run)
    assert IPv4Address(run[0]) in lab.network(_CLUSTER).subnet


def test_a_full_subnet_offers_nothing():
    subnet = IPv4Network("172.16.0.0/28")
    lab = moved_lab(subnet, {host.name: 3 + index for index, host in enumerate(LAB.hosts)}, 1, 1)
    base = int(subnet.network_address)
    plans = {
        Colour.GREEN: plan(base + 8, base + 9, (110, 120), base + 10, (base + 11, base + 12)),
        Colour.BLUE: plan(base + 13, base + 14, (210, 220), base + 10, (base + 11, base + 12)),
    }

    fixes = [violation.fix for violation in addresses(lab, configuration(plans))]

    assert any("nothing in 172.16.0.0/28 has room for 2 addresses" in fix for fix in fixes), fixes
