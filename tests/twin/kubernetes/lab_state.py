"""The state of a twin whose machines run, written before its daemon starts."""

from collections.abc import Iterable
from uuid import uuid4

from components.talos.schematics import schematic_text
from inventory import LAB
from model.cluster import NodePlan
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets, generate
from tests.conformance.talos.plans import cluster_plan
from twin.faults import Faults
from twin.kubernetes.hardware import Hardware
from twin.proxmox.guests import Guest, Guests
from twin.proxmox.hosts import Hosts
from twin.proxmox.server import ProxmoxServer
from twin.proxmox.storages import GIB, StorageConfiguration, Storages, StorageType
from twin.store import Store
from twin.talos.clusters import Clusters
from twin.talos.factory import Factory
from twin.talos.machinery import Machinery
from twin.world import World

PLANS = {colour: cluster_plan(colour) for colour in Colour}
STORAGE = "lvm"


def node(colour: Colour, logical_name: str) -> NodePlan:
    return next(one for one in PLANS[colour].nodes if one.logical_name == logical_name)


class LabState:
    """Machines as Proxmox and Talos remember them."""

    def __init__(self, store: Store, machinery: Machinery) -> None:
        self.faults = Faults(store)
        self.world = World(LAB, self.faults)
        proxmox = ProxmoxServer(store, self.world, self.faults)
        self.hardware = Hardware(LAB, proxmox.guests)
        self.guests = Guests(store)
        self._storages = Storages(store, Hosts(LAB, self.faults))
        self._storages.configurations.put(
            STORAGE, StorageConfiguration(storage=STORAGE, type=StorageType.LVM, content=("images",))
        )
        self._machinery = machinery
        self._factory = Factory(store)
        self.clusters = Clusters(store, self.world, machinery)

    async def build(self, colour: Colour, secrets: ClusterSecrets, *names: str) -> None:
        """The named nodes of a colour made and configured."""
        for name in names:
            await self.configure(node(colour, name), secrets)

    async def configure(self, one: NodePlan, secrets: ClusterSecrets, *patches: str) -> None:
        """The machine made unless it is there, and configured as the program does it."""
        schematic = self._factory.register(await self._machinery.schematic(schematic_text(one.schematic)))
        if one.vm_id is not None and self.guests.find(one.vm_id) is None:
            self.create(one, schematic.schematic_id)
        plan = PLANS[one.colour]
        text = await generate(
            self._machinery, plan, one, secrets, *patches, schematic_id=schematic.schematic_id
        )
        await self.clusters.apply(str(one.address), str(one.address), secrets.authority, text)

    def create(self, one: NodePlan, schematic_id: str) -> None:
        """A new VM that runs, made from the schematic's image."""
        assert one.vm_id is not None
        plan = PLANS[one.colour]
        image = f"{one.colour}-talos-{schematic_id}-{plan.release.talos}-nocloud-amd64.qcow2"
        drives: dict[str, str] = {}
        for index, size in enumerate(size for size in (one.disk, one.user_disk) if size is not None):
            volume = self._storages.allocate(
                STORAGE, one.host, guest=one.vm_id, size=size * GIB, image=image if index == 0 else None
            )
            drives[f"scsi{index}"] = f"{volume.volume_id},size={size}G"
        config: dict[str, str | int | float | bool] = {
            "name": one.name,
            "cores": one.virtual_cpus,
            "memory": one.memory,
            "machine": "q35",
            "net0": f"virtio=BC:24:11:00:00:{one.vm_id % 100:02d},bridge=vmbr0,tag=30",
            "ipconfig0": f"ip={plan.interface_address(one)},gw={plan.gateway}",
            **drives,
            **{f"hostpci{index}": f"mapping={mapping},pcie=1" for index, mapping in enumerate(one.mappings)},
        }
        self.guests.put(
            Guest(vmid=one.vm_id, node=one.host, incarnation=uuid4().hex, config=config, running=config, started=0)
        )

    def switch(self, one: NodePlan, *, on: bool) -> None:
        """Power the VM on or off."""
        assert one.vm_id is not None
        guest = self.guests.find(one.vm_id)
        assert guest is not None
        self.guests.put(guest.model_copy(update={"running": guest.config if on else None}))

    def destroy(self, nodes: Iterable[NodePlan]) -> None:
        for one in nodes:
            guest = None if one.vm_id is None else self.guests.find(one.vm_id)
            if guest is not None:
                self.guests.delete(guest)

    def bootstrap(self, colour: Colour, secrets: ClusterSecrets) -> None:
        """On the first control-plane machine."""
        first = PLANS[colour].control_planes[0]
        self.clusters.bootstrap(str(first.address), str(first.address), secrets.authority)
