"""Whether a machine can run a configuration: its image, disks, network and kernel modules."""

from collections.abc import Sequence

from model.hardware import HostRole
from twin.talos.configuration import MachineConfiguration
from twin.talos.factory import FACTORY_HOST, MODULE_EXTENSIONS, Factory, SystemImage, image_of_file, image_of_installer
from twin.talos.machinery import Machinery
from twin.talos.records import MachineRecords
from twin.world import Machine, World

METAL_PLATFORM = "metal"
VIRTUAL_PLATFORM = "nocloud"


def system_image(machine: Machine, parsed: MachineConfiguration) -> SystemImage | None:
    """What the machine runs: what its disk was made from, on bare metal what the installer puts there."""
    booted = None if machine.image is None else image_of_file(machine.image)
    return booted or image_of_installer(parsed.install_image)


def installer_problems(machine: Machine, parsed: MachineConfiguration, factory: Factory) -> list[str]:
    """The installer is for this kind of machine, and the factory can build it."""
    installer = image_of_installer(parsed.install_image)
    if installer is None:
        if not parsed.install_image.startswith(f"{FACTORY_HOST}/"):
            return []
        form = f"{FACTORY_HOST}/PLATFORM-installer/SCHEMATIC:VERSION"
        return [f"installer {parsed.install_image} is none of the factory's; it has the form {form}"]
    problems: list[str] = []
    platform = METAL_PLATFORM if machine.image is None else VIRTUAL_PLATFORM
    if installer.platform != platform:
        problems.append(f"the installer is for {installer.platform}, the machine is {platform}")
    if factory.schematic(installer.schematic_id) is None:
        problems.append(f"the image factory was never given schematic {installer.schematic_id}")
    return problems


def first_boot_problems(machine: Machine, parsed: MachineConfiguration) -> list[str]:
    """Installer and booted image are one system. Talos itself would only tell at the first upgrade."""
    installer, booted = image_of_installer(parsed.install_image), system_image(machine, parsed)
    if installer is None or booted is None:
        return []
    if (booted.schematic_id, booted.version) == (installer.schematic_id, installer.version):
        return []
    problem = (
        f"it booted schematic {booted.schematic_id} of Talos {booted.version}, but the installer is schematic "
        f"{installer.schematic_id} of {installer.version}: the next upgrade would change the system"
    )
    return [problem]


def disk_problems(machine: Machine, parsed: MachineConfiguration) -> list[str]:
    """The install disk exists."""
    if parsed.install_disk is None:
        return ["machine.install.diskSelector is not emulated: name the disk in machine.install.disk"]
    paths = [device.path for device in machine.block_devices]
    if parsed.install_disk in paths:
        return []
    return [f"install disk {parsed.install_disk} does not exist; the machine has {', '.join(paths) or 'no disk'}"]


async def volume_problems(
    machine: Machine, parsed: MachineConfiguration, configuration: str, machinery: Machinery
) -> list[str]:
    """Every volume finds a disk, by the library's own evaluation of the selectors."""
    found = await machinery.volume_problems(configuration, machine.block_devices, parsed.install_disk or "")
    return [f"volume {name}: {problem}" for name, problem in found.items()]


def module_problems(parsed: MachineConfiguration, extensions: Sequence[str]) -> list[str]:
    """Every kernel module is in the image."""
    return [
        f"kernel module {module} is not in the image: its schematic lacks the extension {MODULE_EXTENSIONS[module]}"
        for module in parsed.kernel_modules
        if module in MODULE_EXTENSIONS and MODULE_EXTENSIONS[module] not in extensions
    ]


def network_problems(
    machine: Machine, parsed: MachineConfiguration, world: World, records: MachineRecords
) -> list[str]:
    """The interfaces exist, the machine keeps its address, nobody else has its name or the virtual IP."""
    expected = _interface(machine, world)
    problems = [
        f"interface {interface.name} does not exist; the machine has {expected}"
        for interface in parsed.interfaces
        if interface.name != expected
    ]
    static = [address.ip for interface in parsed.interfaces for address in interface.addresses]
    if static and machine.address not in static:
        addresses = ", ".join(str(address) for address in static)
        problems.append(f"it would give up {machine.address} for {addresses} and answer no longer where it was asked")
    for virtual_ip in parsed.virtual_ips:
        holder = world.at(virtual_ip)
        if holder is not None:
            problems.append(f"the virtual IP {virtual_ip} is the address of {holder.name}")
    problems += [
        f"host name {parsed.hostname} is taken by {other.name} ({other.address})"
        for other in records.of_cluster(parsed.cluster_id)
        if other.parsed.hostname == parsed.hostname and other.address != machine.address and records.answers(other)
    ]
    return problems


def _interface(machine: Machine, world: World) -> str:
    for host in world.lab.hosts:
        if host.role is HostRole.TALOS_METAL and host.name == machine.name and host.install_interface:
            return host.install_interface
    return world.lab.cluster.node_interface
