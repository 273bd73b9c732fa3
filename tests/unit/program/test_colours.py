"""The two clusters, against the numbers of the lab as it stands and the order in which a cluster comes up."""

import json
from dataclasses import dataclass

import pytest

from inventory import LAB
from model.configuration import Configuration
from model.exclusive import Colour
from stacks.program import SHARED, build_stack
from tests.harness.answers import hardware_address, lab_answers, shared_outputs
from tests.harness.lab_stacks import (
    BOOTSTRAP,
    CONFIGURATION,
    HEALTH,
    IMAGE,
    KUBECONFIG,
    MACHINE_CONFIGURATION,
    MAPPING,
    SCHEMATIC,
    SECRETS,
    VM,
    ColourStack,
    lowest_layer,
    record_stack,
)
from tests.harness.program import record
from tests.harness.recording import Recording, Registration
from tests.unit.program.conftest import Recorded
from twin.providers import wire


@dataclass(frozen=True)
class Machine:
    """What a VM must be."""

    host: str
    vm_id: int
    address: str
    virtual_cpus: int
    memory: int
    """MiB."""
    disks: tuple[int, ...]
    """GiB."""
    firmware: str = "ovmf"
    mappings: tuple[str, ...] = ()


MACHINES = {
    Colour.GREEN: {
        "master-0": Machine("indy", 110, "10.0.30.60", 2, 9216, (40,)),
        "master-1": Machine("method", 111, "10.0.30.61", 2, 8601, (40,)),
        "master-2": Machine("stale", 112, "10.0.30.62", 2, 6144, (40,)),
        "worker-0": Machine("indy", 120, "10.0.30.70", 6, 21504, (60,)),
        "worker-1": Machine("method", 121, "10.0.30.71", 6, 20070, (60,)),
        "worker-2": Machine("stale", 122, "10.0.30.72", 6, 14336, (60,)),
        "worker-intel-gpu": Machine(
            "method", 123, "10.0.30.73", 6, 20070, (60,), "seabios", ("arc-a310", "arc-a310-audio")
        ),
        "worker-amd-gpu": Machine("method", 124, "10.0.30.74", 6, 30518, (60, 50), "ovmf", ("r9700",)),
    },
    Colour.BLUE: {
        "master-0": Machine("indy", 210, "10.0.30.160", 2, 9216, (40,)),
        "master-1": Machine("method", 211, "10.0.30.161", 2, 8601, (40,)),
        "master-2": Machine("stale", 212, "10.0.30.162", 2, 6144, (40,)),
        "worker-0": Machine("indy", 220, "10.0.30.170", 6, 21504, (60,)),
        "worker-1": Machine("method", 221, "10.0.30.171", 6, 20070, (60,)),
        "worker-2": Machine("stale", 222, "10.0.30.172", 6, 14336, (60,)),
    },
}
METAL = {Colour.GREEN: {"worker-nose": "10.0.30.78", "worker-tail": "10.0.30.79"}, Colour.BLUE: {}}
VIRTUAL_IP = {Colour.GREEN: "10.0.30.30", Colour.BLUE: "10.0.30.130"}
COUNTS = {
    Colour.GREEN: {IMAGE: 3, VM: 8, SCHEMATIC: 4, SECRETS: 1, CONFIGURATION: 10, BOOTSTRAP: 1, KUBECONFIG: 1},
    Colour.BLUE: {IMAGE: 1, VM: 6, SCHEMATIC: 1, SECRETS: 1, CONFIGURATION: 6, BOOTSTRAP: 1, KUBECONFIG: 1},
}


def as_registered(machine: Registration) -> Machine:
    """The machine that the inputs of a VM describe."""
    given = machine.clear_inputs
    address, _, prefix = given["initialization"]["ipConfigs"][0]["ipv4"]["address"].partition("/")
    assert prefix == "24"
    return Machine(
        host=given["nodeName"],
        vm_id=given["vmId"],
        address=address,
        virtual_cpus=given["cpu"]["cores"],
        memory=given["memory"]["dedicated"],
        disks=tuple(disk["size"] for disk in given["disks"]),
        firmware=given["bios"],
        mappings=tuple(device["mapping"] for device in given.get("hostpcis", [])),
    )


def test_every_machine_is_as_the_lab_has_it(colour_stack: ColourStack):
    registered = {one.name: as_registered(one) for one in colour_stack.recording.of_type(VM)}
    assert registered == MACHINES[colour_stack.colour]


def test_physical_names_carry_the_colour_and_logical_names_do_not(colour_stack: ColourStack):
    prefix = f"{colour_stack.colour}-talos-"
    for one in colour_stack.recording.of_type(VM):
        assert one.clear_inputs["name"] == prefix + one.name
    named = [str(one) for one in colour_stack.recording.registrations[1:] for c in Colour if str(c) in one.name]
    assert not named, f"logical names with a colour: {named}"


def test_nodes_of_the_stack_are_its_machines_and_its_metal(colour_stack: ColourStack):
    colour = colour_stack.colour
    virtual = {name: machine.address for name, machine in MACHINES[colour].items()}
    wanted = {f"{colour}-talos-{name}": address for name, address in (virtual | METAL[colour]).items()}
    assert colour_stack.recording.outputs["nodes"] == wanted


def test_resources_below_the_cluster_are_as_many_as_the_lab_has(colour_stack: ColourStack):
    counted: dict[str, int] = {}
    for one in colour_stack.recording.managed:
        if not one.type.startswith(("kubernetes:", "harbor:")):
            counted[one.type] = counted.get(one.type, 0) + 1
    assert counted == COUNTS[colour_stack.colour]


def test_every_machine_follows_the_template(colour_stack: ColourStack):
    for one in colour_stack.recording.of_type(VM):
        inputs = one.clear_inputs
        assert inputs["machine"] == "q35", one
        assert inputs["scsiHardware"] == "virtio-scsi-single", one
        assert inputs["operatingSystem"] == {"type": "l26"}, one
        assert inputs["agent"] == {"enabled": True, "trim": True}, one
        assert (inputs["started"], inputs["onBoot"], inputs["stopOnDestroy"]) == (True, True, True), one
        assert inputs["bootOrders"] == ["scsi0"], one
        assert inputs["networkDevices"] == [
            {"bridge": "vmbr0", "model": "virtio", "vlanId": 30, "trunks": "1;20;30", "mtu": 9000}
        ], one  # fmt: skip
        assert ("efiDisk" in inputs) == (inputs["bios"] == "ovmf"), one


def test_memory_is_never_ballooned(colour_stack: ColourStack):
    assert {one.clear_inputs["memory"]["floating"] for one in colour_stack.recording.of_type(VM)} == {0}


def test_a_machine_with_a_card_stays_on_the_card_s_host(colour_stack: ColourStack):
    """A mapping names a host; a VM with one that may move, or that is elsewhere, does not start."""
    cards = {str(device.mapping): str(host) for host, device in LAB.pci_devices}
    for one in colour_stack.recording.of_type(VM):
        devices = one.clear_inputs.get("hostpcis", [])
        assert one.clear_inputs["migrate"] is (not devices), one
        for device in devices:
            assert cards[device["mapping"]] == one.clear_inputs["nodeName"], one
            assert device["pcie"], one
            assert "id" not in device, f"{one} has a raw PCI id; use the mapping"


def test_a_card_is_taken_from_the_applied_mappings(configuration: Configuration):
    """The name comes out of `shared`'s outputs, so nothing is given to a VM that `shared` has not mapped."""
    lowest = lowest_layer(configuration)
    before = record_stack("green", lowest, preview=True, shared_is_applied=False)
    (device, *_) = before.one(VM, "worker-amd-gpu").clear_inputs["hostpcis"]
    assert wire.has_unknown(device["mapping"])
    known = record_stack("green", lowest, preview=True)
    (device, *_) = known.one(VM, "worker-amd-gpu").clear_inputs["hostpcis"]
    assert device["mapping"] == "r9700"


def test_every_machine_boots_the_image_of_its_schematic(colour_stack: ColourStack):
    images = {one.name: one for one in colour_stack.recording.of_type(IMAGE)}
    for node in colour_stack.nodes:
        if node.vm_id is None:
            continue
        machine, image = colour_stack.machine(node), images[f"image-{node.schematic.name}"]
        (first, *_) = machine.clear_inputs["disks"]
        file_name = image.clear_inputs["fileName"]
        assert first["importFrom"] == f"cephfs:import/{file_name}"
        assert image.urn in machine.dependencies


def test_image_files_carry_colour_schematic_and_version(colour_stack: ColourStack):
    """Another version is another file: no image is ever written over, and none is the other colour's."""
    version = colour_stack.configuration.colours[colour_stack.colour].talos_version
    for one in colour_stack.recording.of_type(IMAGE):
        name = str(one.clear_inputs["fileName"])
        assert name.startswith(f"{colour_stack.colour}-talos-")
        assert f"-{version}-nocloud-amd64" in name
        assert one.clear_inputs["overwrite"] is False
        schematic = name.removeprefix(f"{colour_stack.colour}-talos-").split("-")[0]
        assert f"/image/{schematic}/{version}/" in str(one.clear_inputs["url"])


def test_another_image_replaces_no_machine_by_itself(colour_stack: ColourStack):
    """Of every disk that was made from an image, the image is forgotten after that."""
    for one in colour_stack.recording.of_type(VM):
        made = [index for index, disk in enumerate(one.clear_inputs["disks"]) if "importFrom" in disk]
        assert made, one
        for index in made:
            assert {f"disks[{index}].importFrom", "disks[*].importFrom"} & set(one.ignore_changes), one


# The order in which a cluster comes up.


def test_a_configuration_follows_its_machine_and_is_replaced_with_it(colour_stack: ColourStack):
    for node in colour_stack.nodes:
        applied = colour_stack.configured(node)
        machine = {colour_stack.machine(node).urn} if node.vm_id is not None else set[str]()
        assert machine <= applied.dependencies, applied
        assert applied.replace_with == machine, applied


def test_a_configuration_is_applied_anew_to_a_machine_that_was_made_anew_by_hand(colour_stack: ColourStack):
    """The new VM has the old one's id, but not its hardware address."""
    for node in colour_stack.nodes:
        trigger = colour_stack.configured(node).replacement_trigger
        assert trigger == (None if node.vm_id is None else hardware_address(node.vm_id)), node.name


def test_a_configuration_is_applied_at_its_own_address(colour_stack: ColourStack):
    for node in colour_stack.nodes:
        applied = colour_stack.configured(node)
        assert {applied.clear_inputs["node"], applied.clear_inputs["endpoint"]} == {str(node.address)}


def test_every_configuration_names_the_virtual_ip_as_the_cluster(colour_stack: ColourStack):
    """One node's address would make the whole cluster depend on that node."""
    asked = colour_stack.recording.invoked(MACHINE_CONFIGURATION)
    assert len(asked) == len(colour_stack.nodes)
    endpoint = f"https://{VIRTUAL_IP[colour_stack.colour]}:6443"
    assert {one.arguments["clusterEndpoint"] for one in asked} == {endpoint}
    types = sorted(one.arguments["machineType"] for one in asked)
    assert types.count("controlplane") == len(colour_stack.control_planes)


def test_bootstrap_comes_after_every_control_plane_s_configuration(colour_stack: ColourStack):
    bootstrap = colour_stack.recording.one(BOOTSTRAP, "bootstrap")
    needed = {colour_stack.configured(node).urn for node in colour_stack.control_planes}
    assert needed <= bootstrap.dependencies
    assert bootstrap.clear_inputs["node"] == str(colour_stack.control_planes[0].address)
    assert bootstrap.clear_inputs["endpoint"] != VIRTUAL_IP[colour_stack.colour], "nobody holds the virtual IP yet"


def test_health_is_asked_of_the_whole_cluster_after_all_of_it_is_configured(colour_stack: ColourStack):
    recording = colour_stack.recording
    (health,) = recording.invoked(HEALTH)
    asked = {*health.arguments["controlPlaneNodes"], *health.arguments["workerNodes"]}
    assert asked == {str(node.address) for node in colour_stack.nodes}
    configured = (colour_stack.configured(node) for node in colour_stack.nodes)
    bootstrap = recording.one(BOOTSTRAP, "bootstrap")
    assert health.order > max(one.order for one in (bootstrap, *configured))


def test_a_preview_does_not_ask_for_health(recorded: Recorded, colour: Colour):
    assert not recorded(str(colour), True).invoked(HEALTH)


def test_the_kubeconfig_is_fetched_through_the_virtual_ip_of_a_healthy_cluster(colour_stack: ColourStack):
    recording = colour_stack.recording
    kubeconfig = recording.one(KUBECONFIG, "kubeconfig")
    assert kubeconfig.clear_inputs["endpoint"] == VIRTUAL_IP[colour_stack.colour]
    assert kubeconfig.clear_inputs["node"] == str(colour_stack.control_planes[0].address)
    (health,) = recording.invoked(HEALTH)
    assert kubeconfig.order > health.order
    whole_cluster = {colour_stack.configured(node).urn for node in colour_stack.nodes}
    assert {*whole_cluster, recording.one(BOOTSTRAP, "bootstrap").urn} <= recording.everything_before(kubeconfig)
    assert recording.outputs["endpoint"] == f"https://{VIRTUAL_IP[colour_stack.colour]}:6443"


def test_credentials_leave_the_stack_as_secrets(colour_stack: ColourStack):
    for name in ("kubeconfig", "talosconfig"):
        assert isinstance(colour_stack.recording.outputs[name], wire.Secret), name


# What may not be lost.


@pytest.mark.parametrize("live", [*Colour, None])
def test_control_planes_and_secrets_of_the_live_colour_are_protected(
    configuration: Configuration, colour: Colour, live: Colour | None
):
    shared = configuration.shared.model_copy(update={"active_colour": live})
    recording = record_stack(str(colour), lowest_layer(configuration.model_copy(update={"shared": shared})))
    masters = {one.name for one in recording.of_type(VM) if one.name.startswith("master-")}
    protected = {one.name for one in recording.managed if one.protect}
    assert protected == ({*masters, "secrets"} if live is colour else set())


def test_a_node_named_replaceable_may_be_replaced(configuration: Configuration):
    green = configuration.colours[Colour.GREEN].model_copy(update={"replaceable": ("master-1",)})
    colours = {**configuration.colours, Colour.GREEN: green}
    recording = record_stack("green", lowest_layer(configuration.model_copy(update={"colours": colours})))
    protected = {one.name for one in recording.of_type(VM) if one.protect}
    assert protected == {"master-0", "master-2"}


# Leases and the other colour.


def test_a_colour_takes_nothing_before_the_applied_table_gives_it(configuration: Configuration):
    taken = {**configuration.shared.leases, "r9700": Colour.BLUE}
    applied = configuration.model_copy(
        update={"shared": configuration.shared.model_copy(update={"leases": taken})}
    )
    answers = lab_answers(shared_outputs(LAB, applied))
    with pytest.raises(Exception, match="r9700: held by blue") as raised:
        record(lambda: build_stack("green", configuration), stack="green", answers=answers)
    assert "fix:" in str(raised.value)


def test_up_needs_shared_and_says_so(configuration: Configuration, colour: Colour):
    with pytest.raises(Exception, match="it has not been applied") as raised:
        record_stack(str(colour), lowest_layer(configuration), shared_is_applied=False)
    assert "./lab up shared" in str(raised.value)


def test_a_preview_does_not_need_shared(configuration: Configuration, colour: Colour, recorded: Recorded):
    early = record_stack(str(colour), configuration, preview=True, shared_is_applied=False)
    assert {one.urn for one in early.registrations} == {one.urn for one in recorded(str(colour), True).registrations}


def test_a_colour_never_names_the_other(colour_stack: ColourStack):
    other = str(colour_stack.colour.other)
    found = [
        str(one)
        for one in colour_stack.recording.registrations
        if other in json.dumps(wire.reveal_all(one.inputs), default=str)
    ]
    assert not found, f"these know of {other}: {found}"


def test_shared_maps_every_card_that_a_colour_is_given(shared: Recording, colour_stack: ColourStack):
    mapped = {str(one.clear_inputs["name"]) for one in shared.of_type(MAPPING)}
    used = {name for one in MACHINES[colour_stack.colour].values() for name in one.mappings}
    assert used <= mapped
    assert set(shared.clear_outputs["passthrough_mappings"]) == mapped
    assert shared.stack == SHARED
