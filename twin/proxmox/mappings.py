"""PCI resource mappings: names for devices, by node."""

from twin.proxmox.hosts import Hosts
from twin.proxmox.parameters import IDENTIFIER, Parameter, Scalar, Schema, Values, boolean, integer, text, words
from twin.proxmox.privileges import Privilege
from twin.proxmox.properties import PropertyString
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import failed, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json, needs, needs_any
from twin.store import Store

_ENTRY = ("node", "path", "id", "iommugroup", "subsystem-id", "description")


class MappedDevice(Record):
    """One device of a mapping."""

    node: str
    path: str
    id: str
    text: str
    """As it was written."""


class PciMapping(Record):
    """A PCI resource mapping."""

    id: str
    devices: tuple[MappedDevice, ...]
    description: str | None = None
    mdev: bool = False


class Mappings:
    """All PCI mappings and their calls."""

    def __init__(self, store: Store, hosts: Hosts) -> None:
        self._records = Records(store, "pci-mappings", PciMapping)
        self._hosts = hosts

    def exists(self, mapping: str) -> bool:
        """Whether there is a mapping of that name."""
        return self._records.get(mapping) is not None

    def on_node(self, mapping: str, node: str) -> list[MappedDevice]:
        """The mapping's devices on a node."""
        found = self._records.get(mapping)
        return [] if found is None else [device for device in found.devices if device.node == node]

    def nodes(self, mapping: str) -> list[str]:
        """The nodes on which the mapping has a device."""
        found = self._records.get(mapping)
        return [] if found is None else sorted({device.node for device in found.devices})

    def endpoints(self) -> list[Endpoint]:
        """Everything below `/cluster/mapping/pci`."""
        settings = (text("description"), boolean("mdev"), boolean("live-migration-capable"))
        audit = needs_any(
            "/mapping/pci/{id}", Privilege.MAPPING_USE, Privilege.MAPPING_MODIFY, Privilege.MAPPING_AUDIT
        )
        modify = needs("/mapping/pci/{id}", Privilege.MAPPING_MODIFY)
        return [
            Endpoint("GET", "/cluster/mapping/pci", self._list, ANYONE, Schema((text("check-node"),))),
            Endpoint("POST", "/cluster/mapping/pci", self._create, needs("/mapping/pci", Privilege.MAPPING_MODIFY),
                     Schema((
                         text("id", required=True, pattern=IDENTIFIER), Parameter("map", required=True), *settings,
                     ))),
            Endpoint("GET", "/cluster/mapping/pci/{id}", self._read, audit),
            Endpoint("PUT", "/cluster/mapping/pci/{id}", self._update, modify,
                     Schema((Parameter("map"), *settings, text("delete"), text("digest")))),
            Endpoint("DELETE", "/cluster/mapping/pci/{id}", self._delete, modify),
            Endpoint("GET", "/nodes/{node}/hardware/pci", self._hardware, needs("/", Privilege.SYS_AUDIT),
                     Schema((text("pci-class-blacklist"), integer("verbose", minimum=0, maximum=1)))),
        ]

    def _list(self, call: Call) -> Json:
        node = call.values.get("check-node")
        return [
            {**_describe(mapping), "id": mapping.id, "checks": self._checks(mapping, node)}
            for mapping in self._records.all()
            if call.may(f"/mapping/pci/{mapping.id}", Privilege.MAPPING_USE, Privilege.MAPPING_MODIFY,
                        Privilege.MAPPING_AUDIT)
        ]

    def _checks(self, mapping: PciMapping, node: Scalar | None) -> Json:
        if node is None:
            return []
        present = {device.address: device.id for device in self._hosts.pci_devices(str(node))}
        return [
            {"severity": "error", "message": f"pci device '{device.path}' not found"}
            for device in mapping.devices
            if device.node == node and present.get(device.path) != device.id
        ]

    def _create(self, call: Call) -> Json:
        name = str(call.values["id"])
        if self.exists(name):
            raise failed(f"pci ID '{name}' already defined")
        self._records.put(name, self._apply(PciMapping(id=name, devices=()), call.values))
        return None

    def _read(self, call: Call) -> Json:
        return _describe(self._find(call))

    def _update(self, call: Call) -> Json:
        changed = self._apply(self._find(call), call.values)
        for name in words(call.values, "delete"):
            if name not in ("description", "mdev"):
                raise wrong_parameters({"delete": f"unable to delete required option '{name}'"})
            changed = changed.model_copy(update={name: None if name == "description" else False})
        self._records.put(changed.id, changed)
        return None

    def _delete(self, call: Call) -> Json:
        self._records.delete(self._find(call).id)
        return None

    def _hardware(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        return [
            {"id": device.address, "vendor": f"0x{device.id[:4]}", "device": f"0x{device.id[5:]}",
             "class": "0x000000", "iommugroup": -1 if device.iommu_group is None else device.iommu_group}
            for device in self._hosts.pci_devices(call.path["node"])
        ]

    def _find(self, call: Call) -> PciMapping:
        found = self._records.get(call.path["id"])
        if found is None:
            raise failed(f"no such resource 'pci/{call.path['id']}'")
        return found

    def _apply(self, mapping: PciMapping, values: Values) -> PciMapping:
        changes: dict[str, object] = {}
        if "map" in values:
            changes["devices"] = tuple(self._device(entry) for entry in str(values["map"]).split("\n"))
        if "description" in values:
            changes["description"] = str(values["description"])
        if "mdev" in values:
            changes["mdev"] = bool(values["mdev"])
        return mapping.model_copy(update=changes)

    def _device(self, entry: str) -> MappedDevice:
        try:
            properties = PropertyString.parse(entry, "path").properties
        except ValueError as error:
            raise wrong_parameters({"map": f"invalid format - {error}"}) from error
        unknown = [name for name in properties if name not in _ENTRY]
        missing = [name for name in ("node", "path", "id") if name not in properties]
        if unknown or missing:
            complaint = f"unknown property '{unknown[0]}'" if unknown else f"property '{missing[0]}' is missing"
            raise wrong_parameters({"map": f"invalid format - format error: {complaint}"})
        if properties["node"] not in self._hosts.names:
            raise wrong_parameters({"map": f"node '{properties['node']}' does not exist"})
        return MappedDevice(node=properties["node"], path=properties["path"], id=properties["id"], text=entry)


def _describe(mapping: PciMapping) -> dict[str, Json]:
    described: dict[str, Json] = {"type": "pci", "map": [device.text for device in mapping.devices]}
    if mapping.description is not None:
        described["description"] = mapping.description
    if mapping.mdev:
        described["mdev"] = 1
    return described
