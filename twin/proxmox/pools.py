"""Resource pools: groups of guests and storages that share permissions."""

from collections.abc import Callable

from twin.proxmox.parameters import Schema, boolean, choice, text, words
from twin.proxmox.privileges import Privilege
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import failed, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json
from twin.store import Store

_NAME = r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){0,2}"


class Pool(Record):
    """A resource pool."""

    poolid: str
    comment: str | None = None
    guests: tuple[int, ...] = ()
    storages: tuple[str, ...] = ()


class Pools:
    """All resource pools and their calls."""

    def __init__(
        self, store: Store, node_of: Callable[[int], str | None], has_storage: Callable[[str], bool]
    ) -> None:
        """`node_of` gives the node of a guest, None when there is no such guest."""
        self._records = Records(store, "pools", Pool)
        self._node_of = node_of
        self._has_storage = has_storage

    def get(self, poolid: str) -> Pool:
        """The pool; RefusalError when there is none of that name."""
        found = self._records.get(poolid)
        if found is None:
            raise failed(f"pool '{poolid}' does not exist")
        return found

    def pool_of(self, kind: str, name: str) -> str | None:
        """The pool of a guest (`vms`, id) or a storage (`storage`, name), None when it is in none."""
        for pool in self._records.all():
            if (kind == "vms" and name.isdecimal() and int(name) in pool.guests) or (
                kind == "storage" and name in pool.storages
            ):
                return pool.poolid
        return None

    def add_guest(self, poolid: str, vmid: int) -> None:
        """Put a guest into the pool."""
        pool = self.get(poolid)
        self._records.put(poolid, pool.model_copy(update={"guests": tuple(sorted({*pool.guests, vmid}))}))

    def remove_guest(self, vmid: int) -> None:
        """Take a guest out of whatever pool it is in."""
        for pool in self._records.all():
            if vmid in pool.guests:
                left = tuple(guest for guest in pool.guests if guest != vmid)
                self._records.put(pool.poolid, pool.model_copy(update={"guests": left}))

    def endpoints(self) -> list[Endpoint]:
        """Everything at `/pools`."""
        name = text("poolid", required=True, pattern=_NAME)
        return [
            Endpoint("GET", "/pools", self._list, ANYONE, Schema((
                text("poolid"), choice("type", "qemu", "lxc", "storage"),
            ))),
            Endpoint("POST", "/pools", self._create, ANYONE, Schema((name, text("comment")))),
            Endpoint("PUT", "/pools", self._update, ANYONE, Schema((
                name, text("comment"), text("vms"), text("storage"), boolean("delete"), boolean("allow-move"),
            ))),
            Endpoint("DELETE", "/pools", self._delete, ANYONE, Schema((name,))),
        ]

    def _list(self, call: Call) -> Json:
        poolid = call.values.get("poolid")
        if poolid is None:
            return [
                _describe(pool)
                for pool in self._records.all()
                if call.may(f"/pool/{pool.poolid}", Privilege.POOL_AUDIT, Privilege.POOL_ALLOCATE)
            ]
        call.require_any(f"/pool/{poolid}", Privilege.POOL_AUDIT, Privilege.POOL_ALLOCATE)
        pool = self.get(str(poolid))
        members = [
            *({"id": f"qemu/{g}", "type": "qemu", "vmid": g, "node": self._node_of(g) or ""} for g in pool.guests),
            *({"id": f"storage/{s}", "type": "storage", "storage": s, "node": ""} for s in pool.storages),
        ]
        return [{**_describe(pool), "members": members}]

    def _create(self, call: Call) -> Json:
        name = str(call.values["poolid"])
        call.require(f"/pool/{name}", Privilege.POOL_ALLOCATE)
        if self._records.get(name) is not None:
            raise failed(f"create pool failed: pool '{name}' already exists")
        comment = call.values.get("comment")
        self._records.put(name, Pool(poolid=name, comment=None if comment is None else str(comment)))
        return None

    def _update(self, call: Call) -> Json:
        name = str(call.values["poolid"])
        call.require(f"/pool/{name}", Privilege.POOL_ALLOCATE)
        pool, removing = self.get(name), bool(call.values.get("delete", False))
        guests, storages = set(pool.guests), set(pool.storages)
        for word in words(call.values, "vms"):
            guests = self._change_guest(pool, guests, word, removing=removing, move=bool(call.values.get("allow-move")))
        for storage in words(call.values, "storage"):
            if not self._has_storage(storage):
                raise failed(f"update pools failed: Storage '{storage}' does not exist")
            if (storage in storages) is not removing:
                state = "is not" if removing else "is already"
                raise failed(f"update pools failed: Storage '{storage}' {state} a pool member")
            storages ^= {storage}
        changes: dict[str, object] = {"guests": tuple(sorted(guests)), "storages": tuple(sorted(storages))}
        if "comment" in call.values:
            changes["comment"] = str(call.values["comment"])
        self._records.put(name, pool.model_copy(update=changes))
        return None

    def _change_guest(self, pool: Pool, guests: set[int], word: str, *, removing: bool, move: bool) -> set[int]:
        if not word.isdecimal():
            raise wrong_parameters({"vms": f"invalid format - unable to parse vm id '{word}'"})
        vmid = int(word)
        if removing:
            if vmid not in guests:
                raise failed(f"update pools failed: VM {vmid} is not a pool member")
            return guests - {vmid}
        if self._node_of(vmid) is None:
            raise failed(f"update pools failed: VM {vmid} does not exist")
        other = self.pool_of("vms", word)
        if other is not None and not move:
            raise failed(
                f"update pools failed: VM {vmid} belongs already to pool '{other}' and 'allow-move' is not set"
            )
        if other not in (None, pool.poolid):
            self.remove_guest(vmid)
        return guests | {vmid}

    def _delete(self, call: Call) -> Json:
        name = str(call.values["poolid"])
        call.require(f"/pool/{name}", Privilege.POOL_ALLOCATE)
        pool = self.get(name)
        if pool.guests:
            raise failed(f"delete pool failed: pool '{name}' is not empty (contains VM {pool.guests[0]})")
        if pool.storages:
            raise failed(f"delete pool failed: pool '{name}' is not empty (contains storage '{pool.storages[0]}')")
        self._records.delete(name)
        return None


def _describe(pool: Pool) -> dict[str, Json]:
    described: dict[str, Json] = {"poolid": pool.poolid}
    if pool.comment is not None:
        described["comment"] = pool.comment
    return described
