"""Ceph pools as Proxmox VE manages them."""

from model.ceph import Owner, PoolApplication
from twin.proxmox.hosts import Hosts
from twin.proxmox.parameters import Kind, Parameter, Schema, Values, boolean, choice, integer, text, unsupported
from twin.proxmox.privileges import Privilege
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import failed, not_emulated, wrong_parameters
from twin.proxmox.routing import Call, Endpoint, Json, needs, needs_any
from twin.proxmox.tasks import Journal, Task, TaskFailedError, Tasks, Work
from twin.store import Store

_RULE = "replicated_rule"
_SETTINGS = (
    choice("application", *PoolApplication),
    text("crush_rule"),
    integer("size", minimum=1, maximum=7),
    integer("min_size", minimum=1, maximum=7),
    integer("pg_num", minimum=1, maximum=32768),
    integer("pg_num_min", minimum=0, maximum=32768),
    choice("pg_autoscale_mode", "on", "off", "warn"),
    text("target_size", pattern=r"\d+(\.\d+)?[KMGT]?"),
    Parameter("target_size_ratio", Kind.NUMBER, minimum=0),
)


class CephPool(Record):
    """A Ceph pool."""

    name: str
    settings: dict[str, str | int | float | bool]


class CephPools:
    """The pools of the one Ceph cluster and their calls."""

    def __init__(self, store: Store, hosts: Hosts, tasks: Tasks) -> None:
        self._records = Records(store, "ceph-pools", CephPool)
        self._hosts = hosts
        self._tasks = tasks
        tasks.register("cephcreatepool", Work(effect=self._do_create))
        tasks.register("cephsetpool", Work(effect=self._do_update))
        tasks.register("cephdestroypool", Work(effect=self._do_delete))

    def install(self) -> None:
        """Make the pools that exist before the program runs: those made when the hosts were installed."""
        for pool in self._hosts.lab.ceph.pools:
            if pool.owner is Owner.HOST_PROVISIONING and self._records.get(pool.name) is None:
                settings: Values = {
                    "application": pool.application.value, "crush_rule": _RULE, "size": pool.size,
                    "min_size": pool.min_size, "pg_num": pool.placement_groups, "pg_autoscale_mode": "warn",
                }
                self._records.put(pool.name, CephPool(name=pool.name, settings=settings))

    def endpoints(self) -> list[Endpoint]:
        """Everything below `/nodes/{node}/ceph`."""
        audit = needs_any("/", Privilege.SYS_AUDIT, Privilege.DATASTORE_AUDIT)
        modify = needs("/", Privilege.SYS_MODIFY)
        pool = "/nodes/{node}/ceph/pool/{name}"
        return [
            Endpoint("GET", "/nodes/{node}/ceph/status", self._status, audit),
            Endpoint("GET", "/cluster/ceph/status", self._status, audit),
            Endpoint("GET", "/nodes/{node}/ceph/pool", self._list, audit),
            Endpoint("POST", "/nodes/{node}/ceph/pool", self._create, modify, Schema((
                text("name", required=True, pattern=r"[^:/\s]+"), *_SETTINGS, boolean("add_storages"),
                unsupported("erasure-coding"),
            ))),
            Endpoint("GET", f"{pool}/status", self._read, audit, Schema((boolean("verbose"),))),
            Endpoint("PUT", pool, self._update, modify, Schema(_SETTINGS)),
            Endpoint("DELETE", pool, self._delete, modify, Schema((
                boolean("force"), boolean("remove_storages"), boolean("remove_ecprofile"),
            ))),
        ]

    def _status(self, call: Call) -> Json:
        if "node" in call.path:
            self._hosts.reach(call.path["node"])
        ceph = self._hosts.lab.ceph
        up = [name for name in ceph.monitors if self._hosts.is_up(name)]
        osds = {name: self._hosts.get(name).osd_count for name in self._hosts.names}
        health = "HEALTH_OK" if len(up) == len(ceph.monitors) else "HEALTH_WARN"
        return {
            "fsid": str(ceph.fsid),
            "health": {"status": health, "checks": {}},
            "quorum_names": up,
            "osdmap": {
                "num_osds": sum(osds.values()),
                "num_up_osds": sum(count for name, count in osds.items() if self._hosts.is_up(name)),
            },
        }

    def _list(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        return [
            {"pool_name": pool.name, "type": "replicated", "crush_rule_name": pool.settings["crush_rule"],
             **{n: v for n, v in pool.settings.items() if n in ("size", "min_size", "pg_num", "pg_autoscale_mode")}}
            for pool in self._records.all()
        ]

    def _read(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        pool = self._find(call.path["name"])
        described = {n: v for n, v in pool.settings.items() if n != "application"}
        application = pool.settings["application"]
        return {"name": pool.name, "application": application, "application_list": [application], **described}

    def _create(self, call: Call) -> Json:
        node, name = call.path["node"], str(call.values["name"])
        self._hosts.reach(node)
        if self._records.get(name) is not None:
            raise wrong_parameters({"name": f"Ceph pool '{name}' already exists"})
        if call.values.get("add_storages"):
            raise not_emulated("parameter 'add_storages' (an RBD storage for the pool)")
        settings: Values = {
            "application": "rbd", "crush_rule": _RULE, "size": 3, "min_size": 2, "pg_num": 128,
            "pg_autoscale_mode": "warn",
            **{n: v for n, v in call.values.items() if n not in ("name", "add_storages")},
        }
        self._check(settings)
        return self._tasks.add(node, "cephcreatepool", name, call.principal.name, {**settings})

    def _do_create(self, task: Task, journal: Journal) -> None:
        self._need_quorum()
        if self._records.get(task.subject) is not None:
            raise TaskFailedError(f"Ceph pool '{task.subject}' already exists")
        settings = {n: v for n, v in task.arguments.items() if v is not None}
        self._records.put(task.subject, CephPool(name=task.subject, settings=settings))
        for name, value in settings.items():
            journal.write(f"pool {task.subject}: applying {name} = {value}")

    def _update(self, call: Call) -> Json:
        node, name = call.path["node"], call.path["name"]
        self._hosts.reach(node)
        pool = self._find(name)
        self._check({**pool.settings, **call.values})
        return self._tasks.add(node, "cephsetpool", name, call.principal.name, {**call.values})

    def _do_update(self, task: Task, journal: Journal) -> None:
        self._need_quorum()
        pool = self._records.get(task.subject)
        if pool is None:
            raise TaskFailedError(f"unrecognized pool '{task.subject}'")
        changes = {n: v for n, v in task.arguments.items() if v is not None}
        self._records.put(pool.name, pool.model_copy(update={"settings": {**pool.settings, **changes}}))
        journal.write(f"pool {pool.name}: applied {', '.join(changes)}")

    def _delete(self, call: Call) -> Json:
        node, name = call.path["node"], call.path["name"]
        self._hosts.reach(node)
        self._find(name)
        ceph = self._hosts.lab.ceph
        if any(p.name == name and p.application is PoolApplication.CEPHFS for p in ceph.pools):
            raise failed(f"pool '{name}' is in use by CephFS '{ceph.filesystem}'")
        return self._tasks.add(node, "cephdestroypool", name, call.principal.name)

    def _do_delete(self, task: Task, journal: Journal) -> None:
        self._need_quorum()
        self._records.delete(task.subject)
        journal.write(f"pool '{task.subject}' removed")

    def _find(self, name: str) -> CephPool:
        found = self._records.get(name)
        if found is None:
            raise failed(f"mon_cmd failed - unrecognized pool '{name}'")
        return found

    def _check(self, settings: Values) -> None:
        size, least = int(settings["size"]), int(settings["min_size"])
        if least > size:
            raise wrong_parameters({"min_size": f"min_size {least} is greater than size {size}"})
        if settings["crush_rule"] != _RULE:
            raise wrong_parameters({"crush_rule": f"crush rule '{settings['crush_rule']}' does not exist"})
        hosts = sum(1 for name in self._hosts.names if self._hosts.get(name).osd_count)
        if size > hosts:
            raise wrong_parameters({"size": f"{size} copies need as many hosts with OSDs; there are {hosts}"})

    def _need_quorum(self) -> None:
        monitors = self._hosts.lab.ceph.monitors
        up = sum(1 for name in monitors if self._hosts.is_up(name))
        if up * 2 <= len(monitors):
            raise TaskFailedError(f"mon_cmd failed - no quorum ({up} of {len(monitors)} monitors up)")
