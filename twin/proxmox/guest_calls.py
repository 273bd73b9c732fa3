"""API calls about virtual machines and the tasks behind them."""

import json
import re
from collections.abc import Callable
from hashlib import sha1

from twin.proxmox import guests as guest_values
from twin.proxmox.access import ADMINISTRATOR
from twin.proxmox.guest_configuration import (
    ROOT_ONLY,
    SETTINGS,
    is_applied_at_once,
    mac_address,
    privilege,
    shown,
    with_mac_address,
)
from twin.proxmox.guest_disks import GuestDisks, is_drive
from twin.proxmox.guests import Guest, Guests, new_incarnation
from twin.proxmox.hosts import Hosts
from twin.proxmox.mappings import Mappings
from twin.proxmox.parameters import Schema, Values, boolean, integer, text, unsupported, words
from twin.proxmox.physics import Physics
from twin.proxmox.pools import Pools
from twin.proxmox.privileges import Privilege
from twin.proxmox.properties import PropertyString, parse_size
from twin.proxmox.refusal import failed, not_emulated, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json, needs
from twin.proxmox.tasks import Journal, Task, TaskFailedError, Tasks, Work

_VMID = integer("vmid", required=True, minimum=100, maximum=999_999_999)
_CREATE = Schema((
    _VMID, text("pool"), boolean("start"), integer("bwlimit", minimum=0), boolean("unique"), unsupported("archive"),
    unsupported("force"), unsupported("live-restore"), unsupported("storage"), unsupported("import-working-storage"),
    *SETTINGS,
))
_UPDATE = Schema((
    text("delete"), text("digest"), boolean("skiplock"), integer("background_delay", minimum=1, maximum=30),
    unsupported("revert"), unsupported("force"), *SETTINGS,
))
_CONTROL = frozenset({"vmid", "pool", "start", "bwlimit", "unique", "delete", "digest", "skiplock", "background_delay"})
_TIMEOUT = integer("timeout", minimum=0)


class GuestCalls:
    """Life cycle of virtual machines."""

    def __init__(
        self, *, clock: Callable[[], float], hosts: Hosts, guests: Guests, disks: GuestDisks, mappings: Mappings,
        physics: Physics, pools: Pools, tasks: Tasks, on_destroy: Callable[[int], None],
    ) -> None:
        """`on_destroy` removes a destroyed guest from the jobs that name it."""
        self._clock = clock
        self._hosts = hosts
        self._guests = guests
        self._disks = disks
        self._mappings = mappings
        self._physics = physics
        self._pools = pools
        self._tasks = tasks
        self._on_destroy = on_destroy
        tasks.register("qmcreate", Work(effect=self._do_create, undo=self._undo_create))
        tasks.register("qmconfig", Work(effect=self._do_configure))
        tasks.register("qmdestroy", Work(effect=self._do_destroy, undo=self._unlock))
        tasks.register("qmstart", Work(effect=self._do_start))
        tasks.register("qmstop", Work(effect=self._do_stop))
        tasks.register("qmshutdown", Work(effect=self._do_stop))
        tasks.register("qmreboot", Work(effect=self._do_reboot))
        tasks.register("qmreset", Work(effect=self._do_reset))
        tasks.register("resize", Work(effect=self._do_resize))

    def endpoints(self) -> list[Endpoint]:
        """Everything below `/nodes/{node}/qemu`."""
        guest, vms = "/nodes/{node}/qemu/{vmid}", "/vms/{vmid}"
        audit, power = needs(vms, Privilege.VM_AUDIT), needs(vms, Privilege.VM_POWER_MANAGEMENT)
        return [
            Endpoint("GET", "/nodes/{node}/qemu", self._list, ANYONE, Schema((boolean("full"),))),
            Endpoint("POST", "/nodes/{node}/qemu", self._create, ANYONE, _CREATE),
            Endpoint("DELETE", guest, self._destroy, needs(vms, Privilege.VM_ALLOCATE), Schema((
                boolean("purge"), boolean("destroy-unreferenced-disks"), boolean("skiplock"),
            ))),
            Endpoint("GET", f"{guest}/config", self._config, audit, Schema((
                boolean("current"), unsupported("snapshot"),
            ))),
            Endpoint("PUT", f"{guest}/config", self._update, ANYONE, _UPDATE),
            Endpoint("POST", f"{guest}/config", self._update_later, ANYONE, _UPDATE),
            Endpoint("GET", f"{guest}/pending", self._pending, audit),
            Endpoint("PUT", f"{guest}/resize", self._resize, needs(vms, Privilege.VM_CONFIG_DISK), Schema((
                text("disk", required=True), text("size", required=True, pattern=r"\+?\d+(\.\d+)?[KMGT]?"),
                text("digest"), boolean("skiplock"),
            ))),
            Endpoint("PUT", f"{guest}/cloudinit", self._rebuild_cloud_init,
                     needs(vms, Privilege.VM_CONFIG_CLOUDINIT)),
            Endpoint("GET", f"{guest}/status/current", self._status, audit),
            Endpoint("POST", f"{guest}/status/start", self._power("qmstart"), power, Schema((
                _TIMEOUT, boolean("skiplock"), unsupported("force-cpu"), unsupported("machine"),
                unsupported("stateuri"), unsupported("migratedfrom"), unsupported("targetstorage"),
            ))),
            Endpoint("POST", f"{guest}/status/stop", self._power("qmstop"), power, Schema((
                _TIMEOUT, boolean("skiplock"), boolean("keepActive"), boolean("overrule-shutdown"),
            ))),
            Endpoint("POST", f"{guest}/status/shutdown", self._power("qmshutdown"), power, Schema((
                _TIMEOUT, boolean("forceStop"), boolean("keepActive"), boolean("skiplock"),
            ))),
            Endpoint("POST", f"{guest}/status/reboot", self._power("qmreboot"), power, Schema((_TIMEOUT,))),
            Endpoint("POST", f"{guest}/status/reset", self._power("qmreset"), power, Schema((boolean("skiplock"),))),
            Endpoint("POST", f"{guest}/agent/ping", self._agent_ping, needs(vms, Privilege.VM_MONITOR)),
            Endpoint("GET", f"{guest}/agent/network-get-interfaces", self._agent_interfaces,
                     needs(vms, Privilege.VM_MONITOR)),
        ]

    # --- reading ---

    def _guest(self, call: Call) -> Guest:
        self._hosts.reach(call.path["node"])
        return self._guests.on(call.path["node"], int(call.path["vmid"]))

    def _list(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        return [
            self._describe_status(guest)
            for guest in self._guests.all()
            if guest.node == call.path["node"] and call.may(f"/vms/{guest.vmid}", Privilege.VM_AUDIT)
        ]

    def _config(self, call: Call) -> Json:
        guest = self._guest(call)
        config = guest.config
        if call.values.get("current") and guest.running is not None:
            config = guest.running
        return {**shown(config), "digest": _digest(guest), **({} if guest.lock is None else {"lock": guest.lock})}

    def _pending(self, call: Call) -> Json:
        guest = self._guest(call)
        now = shown(guest.config if guest.running is None else guest.running)
        later = shown(guest.config)
        answer: list[dict[str, Json]] = []
        for name in sorted({*now, *later}):
            entry: dict[str, Json] = {"key": name}
            if name in now:
                entry["value"] = now[name]
            if name not in later:
                entry["delete"] = 1
            elif now.get(name) != later[name]:
                entry["pending"] = later[name]
            answer.append(entry)
        return answer

    def _status(self, call: Call) -> Json:
        return {**self._describe_status(self._guest(call)), "ha": {"managed": 0}}

    def _describe_status(self, guest: Guest) -> dict[str, Json]:
        config = guest.config if guest.running is None else guest.running
        status = "running" if guest.is_running else "stopped"
        sizes = [parse_size(drive.get("size") or "0") for _, drive in guest_values.disks(config)]
        described: dict[str, Json] = {
            "vmid": guest.vmid,
            "name": guest.name,
            "status": status,
            "qmpstatus": status,
            "cpus": guest_values.virtual_cpus(config),
            "maxmem": guest_values.memory(config) << 20,
            "mem": guest_values.memory(config) << 20 if guest.is_running else 0,
            "maxdisk": sizes[0] if sizes else 0,
            "disk": 0,
            "uptime": int(self._clock()) - (guest.started or 0) if guest.is_running else 0,
        }
        if guest.is_running and guest_values.has_agent(config):
            described["agent"] = 1
        if guest.is_running:
            described["pid"] = 1000 + guest.vmid
        if guest.lock is not None:
            described["lock"] = guest.lock
        if "tags" in config:
            described["tags"] = config["tags"]
        return described

    # --- creating, changing, destroying ---

    def _create(self, call: Call) -> Json:
        node, vmid = call.path["node"], int(call.values["vmid"])
        self._hosts.reach(node)
        pool = call.values.get("pool")
        if pool is None or not call.may(f"/pool/{pool}", Privilege.VM_ALLOCATE):
            call.require(f"/vms/{vmid}", Privilege.VM_ALLOCATE)
        if pool is not None:
            call.require(f"/pool/{pool}", Privilege.VM_ALLOCATE)
            self._pools.get(str(pool))
        other = self._guests.find(vmid)
        if other is not None:
            # Proxmox VE answers 500. The upstream provider then asks once more, takes "already exists" for its own
            # success, and has adopted somebody else's guest. 400 is not retried, so the clash is seen here.
            raise wrong_parameters({
                "vmid": f"unable to create VM {vmid} - VM {vmid} already exists on node '{other.node}' ({other.name})"
            })
        settings = {n: v for n, v in call.values.items() if n not in _CONTROL}
        self._check_settings(call, node, vmid, settings)
        if settings.get("template"):
            raise not_emulated("creating a template")
        self._guests.put(Guest(
            vmid=vmid, node=node, incarnation=new_incarnation(), config=settings, lock="create"
        ))
        if pool is not None:
            self._pools.add_guest(str(pool), vmid)
        start = bool(call.values.get("start", False))
        return self._tasks.add(node, "qmcreate", str(vmid), call.principal.name, {"start": start})

    def _do_create(self, task: Task, journal: Journal) -> None:
        guest = self._owned(task)
        config: Values = {}
        for name, value in guest.config.items():
            if is_drive(name):
                try:
                    config[name] = self._disks.make(guest, name, str(value), journal)
                except TaskFailedError as error:
                    raise TaskFailedError(f"unable to create VM {guest.vmid} - {error}") from error
            elif re.fullmatch(r"net\d+", name):
                config[name] = with_mac_address(str(value))
            else:
                config[name] = value
        config.setdefault("smbios1", f"uuid={_uuid(guest.incarnation)}")
        config.setdefault("vmgenid", _uuid(sha1(guest.incarnation.encode(), usedforsecurity=False).hexdigest()))
        config["meta"] = f"creation-qemu=9.2.0,ctime={task.started}"
        created = guest.model_copy(update={"config": config, "lock": None})
        self._guests.put(created)
        if task.arguments.get("start"):
            self._start(created, journal)

    def _undo_create(self, task: Task) -> None:
        guest = self._guests.find(int(task.subject))
        if guest is not None and guest.lock == "create":
            self._pools.remove_guest(guest.vmid)
            self._guests.delete(guest)

    def _update(self, call: Call) -> Json:
        guest = self._prepare_update(call)
        try:
            self._configure(guest, *_split(call.values), Journal())
        except TaskFailedError as error:
            raise failed(str(error)) from error
        return None

    def _update_later(self, call: Call) -> Json:
        guest = self._prepare_update(call)
        settings, removed = _split(call.values)
        return self._tasks.add(
            guest.node, "qmconfig", str(guest.vmid), call.principal.name,
            {"settings": json.dumps(settings), "removed": ",".join(removed)},
        )

    def _do_configure(self, task: Task, journal: Journal) -> None:
        settings: Values = json.loads(str(task.arguments["settings"]))
        removed = [name for name in str(task.arguments["removed"]).split(",") if name]
        self._configure(self._owned(task), settings, removed, journal)

    def _prepare_update(self, call: Call) -> Guest:
        guest = self._guest(call)
        self._refuse_locked(guest)
        settings, removed = _split(call.values)
        if not settings and not removed:
            raise wrong_parameters({"vmid": "no options specified"})
        if call.values.get("digest") not in (None, _digest(guest)):
            raise failed("detected modified configuration - file changed by other user? Try again.")
        for name in removed:
            call.require(f"/vms/{guest.vmid}", privilege(name, None))
            if name in settings:
                raise wrong_parameters({"delete": f"you can't use '-{name}' and -delete {name}' at the same time"})
            if _UPDATE.find(name) is None:
                raise wrong_parameters({"delete": f"unknown option '{name}'"})
        if settings.get("template"):
            raise not_emulated("conversion into a template")
        self._check_settings(call, guest.node, guest.vmid, settings)
        return guest

    def _configure(self, guest: Guest, settings: Values, removed: list[str], journal: Journal) -> None:
        config = dict(guest.config)
        for name in removed:
            if name in config and (is_drive(name) or name.startswith("unused")):
                self._disks.drop(guest, config, name)
            else:
                config.pop(name, None)
        for name, value in settings.items():
            if is_drive(name):
                config[name] = self._replace_drive(guest, config, name, str(value), journal)
            elif re.fullmatch(r"net\d+", name):
                config[name] = with_mac_address(str(value))
            else:
                config[name] = value
        self._guests.put(guest.model_copy(update={"config": config, "running": _in_force(guest, config)}))

    def _replace_drive(self, guest: Guest, config: Values, name: str, value: str, journal: Journal) -> str:
        before = PropertyString.parse(str(config[name]), "file").get("file") if name in config else None
        after = PropertyString.parse(value, "file").get("file")
        if before is not None and before != after:
            self._disks.drop(guest, config, name)
        return self._disks.make(guest, name, value, journal)

    def _check_settings(self, call: Call, node: str, vmid: int, settings: Values) -> None:
        for name, value in settings.items():
            call.require(f"/vms/{vmid}", privilege(name, str(value)))
            if name in ROOT_ONLY:
                raise failed(f"only root can set '{name}' config")
            if is_drive(name):
                self._disks.check(call, node, vmid, name, str(value))
            elif re.fullmatch(r"net\d+", name):
                self._check_interface(call, str(value))
            elif re.fullmatch(r"hostpci\d+", name):
                self._check_device(call, name, str(value))

    def _check_interface(self, call: Call, value: str) -> None:
        interface = PropertyString.parse(value, "model")
        if (bridge := interface.get("bridge")) is not None:
            zone = f"/sdn/zones/localnetwork/{bridge}"
            call.require(zone if (tag := interface.get("tag")) is None else f"{zone}/{tag}", Privilege.SDN_USE)

    def _check_device(self, call: Call, name: str, value: str) -> None:
        mapping = PropertyString.parse(value, "host").get("mapping")
        if mapping is None:
            raise failed(f"only {ADMINISTRATOR} with a password can set '{name}' config for non-mapped devices")
        call.require(f"/mapping/pci/{mapping}", Privilege.MAPPING_USE)

    def _destroy(self, call: Call) -> Json:
        guest = self._guest(call)
        self._refuse_locked(guest)
        if guest.config.get("protection"):
            raise failed(f"can't remove VM {guest.vmid} - protection mode enabled")
        if guest.is_running:
            raise failed(f"VM {guest.vmid} is running - destroy failed")
        self._guests.put(guest.model_copy(update={"lock": "destroyed"}))
        return self._tasks.add(
            guest.node, "qmdestroy", str(guest.vmid), call.principal.name, {"purge": bool(call.values.get("purge"))}
        )

    def _do_destroy(self, task: Task, journal: Journal) -> None:
        guest = self._owned(task)
        for volume_id in self._disks.remove_all(guest):
            journal.write(f"removed volume '{volume_id}'")
        self._pools.remove_guest(guest.vmid)
        self._guests.delete(guest)
        if task.arguments["purge"]:
            self._on_destroy(guest.vmid)

    def _unlock(self, task: Task) -> None:
        guest = self._guests.find(int(task.subject))
        if guest is not None:
            self._guests.put(guest.model_copy(update={"lock": None}))

    def _resize(self, call: Call) -> Json:
        guest = self._guest(call)
        self._refuse_locked(guest)
        disk = str(call.values["disk"])
        if disk not in guest.config or not is_drive(disk):
            raise failed(f"disk '{disk}' does not exist")
        return self._tasks.add(
            guest.node, "resize", str(guest.vmid), call.principal.name,
            {"disk": disk, "size": str(call.values["size"])},
        )

    def _do_resize(self, task: Task, journal: Journal) -> None:
        guest, disk, wanted = self._owned(task), str(task.arguments["disk"]), str(task.arguments["size"])
        current = parse_size(PropertyString.parse(str(guest.config[disk]), "file").get("size") or "0")
        size = current + parse_size(wanted[1:]) if wanted.startswith("+") else parse_size(wanted)
        config = {**guest.config, disk: self._disks.resize(guest, disk, size)}
        journal.write(f"{disk}: resized")
        self._guests.put(guest.model_copy(update={"config": config, "running": _in_force(guest, config)}))

    def _rebuild_cloud_init(self, call: Call) -> Json:
        guest = self._guest(call)
        if not any((drive.get("file") or "").endswith("-cloudinit") for _, drive in guest_values.drives(guest.config)):
            raise failed("no cloudinit drive found")
        return None

    # --- power ---

    def _power(self, kind: str) -> Callable[[Call], Json]:
        def handle(call: Call) -> Json:
            guest = self._guest(call)
            self._refuse_locked(guest)
            if kind in ("qmreboot", "qmreset") and not guest.is_running:
                raise failed(f"VM {guest.vmid} not running")
            return self._tasks.add(guest.node, kind, str(guest.vmid), call.principal.name)

        return handle

    def _do_start(self, task: Task, journal: Journal) -> None:
        guest = self._owned(task)
        if guest.is_running:
            raise TaskFailedError(f"VM {guest.vmid} already running")
        self._start(guest, journal)

    def _start(self, guest: Guest, journal: Journal) -> None:
        self._physics.check_start(guest, guest.config, journal)
        started = int(self._clock())
        self._guests.put(guest.model_copy(update={"running": dict(guest.config), "started": started}))

    def _do_stop(self, task: Task, journal: Journal) -> None:
        guest = self._owned(task)
        if not guest.is_running:
            journal.write("VM not running")
        self._guests.put(guest.model_copy(update={"running": None, "started": None}))

    def _do_reboot(self, task: Task, journal: Journal) -> None:
        self._start(self._owned(task), journal)

    def _do_reset(self, task: Task, journal: Journal) -> None:
        del journal
        guest = self._owned(task)
        self._guests.put(guest.model_copy(update={"started": int(self._clock())}))

    # --- guest agent ---

    def _agent(self, call: Call) -> tuple[Guest, Values]:
        guest = self._guest(call)
        if guest.running is None:
            raise failed(f"VM {guest.vmid} is not running")
        if not guest_values.has_agent(guest.running):
            raise failed("No QEMU guest agent configured")
        image, _ = self._disks.image(guest, guest.running)
        if image is None:
            raise failed("QEMU guest agent is not running")
        return guest, guest.running

    def _agent_ping(self, call: Call) -> Json:
        self._agent(call)
        return {"result": {}}

    def _agent_interfaces(self, call: Call) -> Json:
        _, config = self._agent(call)
        interfaces = [_interface("lo", "00:00:00:00:00:00", "127.0.0.1/8")]
        for name, _ in guest_values.devices(config, "net"):
            slot = name.removeprefix("net")
            properties = PropertyString.parse(str(config.get(f"ipconfig{slot}", "")), "ip")
            static = properties.get("ip")
            address = static if static not in (None, "dhcp", "manual") else None
            label = re.sub(r"\d+$", slot, self._hosts.lab.cluster.node_interface)
            interfaces.append(_interface(label, mac_address(str(config[name])).lower(), address))
        return {"result": interfaces}

    # --- common steps ---

    def _owned(self, task: Task) -> Guest:
        guest = self._guests.find(int(task.subject))
        if guest is None:
            raise TaskFailedError(f"VM {task.subject} does not exist any more")
        if not self._hosts.is_up(task.node):
            raise TaskFailedError(f"node '{task.node}' is down")
        return guest

    def _refuse_locked(self, guest: Guest) -> None:
        if guest.lock is not None:
            raise failed(f"VM is locked ({guest.lock})")


def _split(values: Values) -> tuple[Values, list[str]]:
    return {n: v for n, v in values.items() if n not in _CONTROL}, words(values, "delete")


def _in_force(guest: Guest, config: Values) -> Values | None:
    if guest.running is None:
        return None
    kept = {name: value for name, value in guest.running.items() if not is_applied_at_once(name)}
    return {**kept, **{name: value for name, value in config.items() if is_applied_at_once(name)}}


def _digest(guest: Guest) -> str:
    return sha1(json.dumps(guest.config, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _interface(name: str, hardware_address: str, address: str | None) -> Json:
    addresses: list[Json] = []
    if address is not None:
        host, _, prefix = address.partition("/")
        addresses.append({"ip-address": host, "ip-address-type": "ipv4", "prefix": int(prefix)})
    return {"name": name, "hardware-address": hardware_address, "ip-addresses": addresses}


