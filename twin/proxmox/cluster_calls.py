"""API calls about the cluster as a whole, its nodes and its tasks."""

from collections.abc import Callable

from twin.proxmox import guests as guest_values
from twin.proxmox.guests import Guests
from twin.proxmox.hosts import Hosts
from twin.proxmox.parameters import Schema, boolean, choice, integer, text
from twin.proxmox.physics import Physics
from twin.proxmox.pools import Pools
from twin.proxmox.privileges import Privilege
from twin.proxmox.refusal import RefusalError, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json, needs
from twin.proxmox.storages import Storages
from twin.proxmox.tasks import Task, Tasks

VERSION = {"version": "8.4.14", "release": "8.4", "repoid": "b502d23c55afcba1"}
"""The release whose API is emulated; the first whose disks can be made from images by the API alone is 8.4."""
_PATIENCE = 1.0
"""Seconds that a question about a running task waits for its end."""


class ClusterCalls:
    """Version, nodes, resources, tasks."""

    def __init__(
        self, *, clock: Callable[[], float], hosts: Hosts, guests: Guests, storages: Storages, pools: Pools,
        physics: Physics, tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._hosts = hosts
        self._guests = guests
        self._storages = storages
        self._pools = pools
        self._physics = physics
        self._tasks = tasks

    def endpoints(self) -> list[Endpoint]:
        """The calls."""
        task = "/nodes/{node}/tasks/{upid}"
        return [
            Endpoint("GET", "/version", lambda _: VERSION, ANYONE),
            Endpoint("GET", "/cluster/status", self._cluster, needs("/", Privilege.SYS_AUDIT)),
            Endpoint("GET", "/cluster/resources", self._resources, ANYONE, Schema((
                choice("type", "vm", "storage", "node", "pool", "sdn"),
            ))),
            Endpoint("GET", "/cluster/nextid", self._next_id, ANYONE, Schema((
                integer("vmid", minimum=100, maximum=999_999_999),
            ))),
            Endpoint("GET", "/nodes", self._nodes, ANYONE),
            Endpoint("GET", "/nodes/{node}/status", self._node, needs("/nodes/{node}", Privilege.SYS_AUDIT)),
            Endpoint("GET", "/nodes/{node}/tasks", self._task_list, ANYONE, Schema((
                integer("vmid", minimum=100), integer("limit", minimum=0), integer("start", minimum=0),
                boolean("errors"), text("typefilter"), choice("source", "archive", "active", "all"),
            ))),
            Endpoint("GET", f"{task}/status", self._task_status, ANYONE),
            Endpoint("GET", f"{task}/log", self._task_log, ANYONE, Schema((
                integer("limit", minimum=0), integer("start", minimum=0), boolean("download"),
            ))),
            Endpoint("DELETE", task, self._stop_task, ANYONE),
        ]

    def _cluster(self, call: Call) -> Json:
        del call
        up = [name for name in self._hosts.names if self._hosts.is_up(name)]
        quorate = len(up) * 2 > len(self._hosts.names)
        cluster = {
            "type": "cluster", "id": "cluster", "name": self._hosts.lab.proxmox.name, "version": 3,
            "nodes": len(self._hosts.names), "quorate": int(quorate),
        }
        nodes = [
            {"type": "node", "id": f"node/{name}", "name": name, "nodeid": number, "online": int(name in up),
             "ip": str(self._hosts.address(name)), "level": "", "local": 0}
            for number, name in enumerate(self._hosts.names, start=1)
        ]
        return [cluster, *nodes]

    def _nodes(self, call: Call) -> Json:
        del call
        return [self._describe_node(name) for name in self._hosts.names]

    def _describe_node(self, name: str) -> dict[str, Json]:
        host = self._hosts.get(name)
        described: dict[str, Json] = {
            "type": "node", "id": f"node/{name}", "node": name,
            "status": "online" if self._hosts.is_up(name) else "offline",
        }
        if self._hosts.is_up(name):
            described |= {
                "maxcpu": host.processor.threads, "cpu": 0.0, "maxmem": self._hosts.memory_bytes(name),
                "mem": self._memory_used(name), "uptime": 3600, "level": "",
            }
        return described

    def _memory_used(self, name: str) -> int:
        memory = self._physics.host_memory(name)
        return (memory.installed - memory.free) << 20

    def _node(self, call: Call) -> Json:
        name = call.path["node"]
        host = self._hosts.reach(name)
        total, used = self._hosts.memory_bytes(name), self._memory_used(name)
        return {
            "memory": {"total": total, "used": used, "free": total - used},
            "cpuinfo": {"model": host.processor.model, "cores": host.processor.cores, "sockets": 1,
                        "cpus": host.processor.threads},
            "pveversion": f"pve-manager/{VERSION['version']}/{VERSION['repoid']}",
            "uptime": 3600,
            "cpu": 0.0,
            "wait": 0.0,
            "loadavg": ["0.00", "0.00", "0.00"],
        }

    def _resources(self, call: Call) -> Json:
        wanted = call.values.get("type")
        found: list[Json] = []
        if wanted in (None, "vm"):
            found += [
                self._describe_guest(guest.vmid)
                for guest in self._guests.all()
                if call.may(f"/vms/{guest.vmid}", Privilege.VM_AUDIT)
            ]
        if wanted in (None, "node"):
            found += [self._describe_node(name) for name in self._hosts.names]
        if wanted in (None, "storage"):
            found += [
                {"type": "storage", "id": f"storage/{node}/{c.storage}", "storage": c.storage, "node": node,
                 "plugintype": c.type.value, "shared": int(c.is_shared), "content": ",".join(c.content),
                 "status": "available" if self._hosts.is_up(node) else "unknown"}
                for node in self._hosts.names
                for c in self._storages.on(node)
                if call.may(f"/storage/{c.storage}", Privilege.DATASTORE_AUDIT)
            ]
        return found

    def _describe_guest(self, vmid: int) -> Json:
        guest = self._guests.find(vmid)
        if guest is None:
            raise KeyError(vmid)
        config = guest.config if guest.running is None else guest.running
        power = "running" if guest.is_running else "stopped"
        described: dict[str, Json] = {
            "type": "qemu", "id": f"qemu/{vmid}", "vmid": vmid, "name": guest.name, "node": guest.node,
            "status": power if self._hosts.is_up(guest.node) else "unknown", "template": 0,
            "maxcpu": guest_values.virtual_cpus(config), "maxmem": guest_values.memory(config) << 20,
        }
        pool = self._pools.pool_of("vms", str(vmid))
        if pool is not None:
            described["pool"] = pool
        if "tags" in config:
            described["tags"] = config["tags"]
        return described

    def _next_id(self, call: Call) -> Json:
        wanted = call.values.get("vmid")
        if wanted is None:
            return str(self._guests.free_id())
        if self._guests.find(int(wanted)) is not None:
            raise wrong_parameters({"vmid": f"VM {wanted} already exists"})
        return str(wanted)

    # --- tasks ---

    def _find_task(self, call: Call) -> Task:
        self._hosts.reach(call.path["node"])
        task = self._tasks.records.get(call.path["upid"])
        if task is None or task.node != call.path["node"]:
            raise RefusalError(400, "no such task", {"upid": "no such task"})
        if task.user != call.principal.name:
            call.require(f"/nodes/{task.node}", Privilege.SYS_AUDIT)
        return task

    async def _task_status(self, call: Call) -> Json:
        task = self._find_task(call)
        await self._tasks.settle(task.upid, _PATIENCE)
        return _describe_task(self._find_task(call))

    def _task_list(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        guest, kind = call.values.get("vmid"), call.values.get("typefilter")
        tasks = [
            task
            for task in self._tasks.records.all()
            if task.node == call.path["node"]
            and guest in (None, int(task.subject) if task.subject.isdecimal() else -1)
            and kind in (None, task.kind)
            and not (call.values.get("errors") and task.exit_status in (None, "OK"))
            and (task.user == call.principal.name or call.may(f"/nodes/{task.node}", Privilege.SYS_AUDIT))
        ]
        tasks.sort(key=lambda task: task.process, reverse=True)
        start, limit = int(call.values.get("start", 0)), int(call.values.get("limit", 50))
        return [_describe_task(task) for task in tasks[start : start + limit]]

    def _task_log(self, call: Call) -> Json:
        lines = self._find_task(call).log or ("starting",)
        start, limit = int(call.values.get("start", 0)), int(call.values.get("limit", 50))
        chosen = lines[start : start + limit] if limit else lines[start:]
        return [{"n": number, "t": line} for number, line in enumerate(chosen, start=start + 1)]

    def _stop_task(self, call: Call) -> Json:
        # Tasks here are too short to be stopped; one that has ended stays as it is, as in Proxmox VE.
        self._find_task(call)
        return None


def _describe_task(task: Task) -> Json:
    described: dict[str, Json] = {
        "upid": task.upid, "node": task.node, "type": task.kind, "id": task.subject, "user": task.user,
        "starttime": task.started, "pid": task.process, "pstart": task.process,
        "status": "running" if task.is_running else "stopped",
    }
    if task.exit_status is not None:
        described |= {"exitstatus": task.exit_status, "endtime": task.ended}
    return described
