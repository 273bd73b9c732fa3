"""The data of each cluster, and on which disks it is.

It begins once, at bootstrap. It answers while most of its members are up with their disks. A control-plane machine
that is configured later joins; one that was made anew takes its old place again. It is lost when every member was
made anew.
"""

import uuid
from ipaddress import IPv4Address

from model.base import Value
from twin.store import Collection, Store
from twin.talos.configuration import MachineType
from twin.talos.records import ConfiguredMachine, Located, MachineRecords

ETCD = Collection("talos/etcd")
"""Key: cluster id."""


class Member(Value):
    """A control-plane machine with a copy of the data."""

    address: IPv4Address
    incarnation: str


class Membership(Value):
    """Who has the data of one cluster."""

    members: tuple[Member, ...]
    identity: str = ""
    """Of the data: another bootstrap makes other data."""

    @property
    def quorum(self) -> int:
        """How many members must answer."""
        return len(self.members) // 2 + 1


class Etcd:
    """The memberships, kept in the store."""

    def __init__(self, store: Store, world: Located, records: MachineRecords) -> None:
        self._store = store
        self._world = world
        self._records = records

    def begin(self, first: ConfiguredMachine) -> None:
        """Bootstrap on the machine; the other control-plane machines join."""
        self._put(first.parsed.cluster_id, Membership(members=(_member(first),), identity=uuid.uuid4().hex))
        self.settle(first.parsed.cluster_id)

    def settle(self, cluster_id: str) -> Membership | None:
        """Who has the data now, after machines came and went; None when it never began, or is lost."""
        current = self._get(cluster_id)
        if current is None:
            return None
        if all(self._lost_its_disk(member) for member in current.members):
            self.forget(cluster_id)
            return None
        if not self.answers(current):
            return current
        members = {member.address: member for member in current.members}
        for machine in self._records.of_cluster(cluster_id):
            if machine.parsed.type is MachineType.CONTROL_PLANE and self._records.answers(machine):
                members[machine.address] = _member(machine)
        settled = current.model_copy(update={"members": tuple(members.values())})
        if settled != current:
            self._put(cluster_id, settled)
        return settled

    def has_quorum(self, cluster_id: str) -> bool:
        """Whether it can answer."""
        current = self.settle(cluster_id)
        return current is not None and self.answers(current)

    def leave(self, machine: ConfiguredMachine) -> None:
        """The machine's disk was wiped."""
        current = self._get(machine.parsed.cluster_id)
        if current is None:
            return
        left = tuple(member for member in current.members if member.address != machine.address)
        if left:
            self._put(machine.parsed.cluster_id, current.model_copy(update={"members": left}))
        else:
            self.forget(machine.parsed.cluster_id)

    def forget(self, cluster_id: str) -> None:
        """The data is gone."""
        self._store.delete(ETCD, cluster_id)

    def answers(self, membership: Membership) -> bool:
        """Whether most of the members are up with their disks."""
        return sum(self._answers(member) for member in membership.members) >= membership.quorum

    def _answers(self, member: Member) -> bool:
        current = self._world.at(member.address)
        return current is not None and current.incarnation == member.incarnation

    def _lost_its_disk(self, member: Member) -> bool:
        current = self._world.at(member.address)
        return current is not None and current.incarnation != member.incarnation

    def _get(self, cluster_id: str) -> Membership | None:
        body = self._store.get(ETCD, cluster_id)
        return None if body is None else Membership.model_validate(body)

    def _put(self, cluster_id: str, membership: Membership) -> None:
        self._store.put(ETCD, cluster_id, membership.model_dump(mode="json"))


def _member(machine: ConfiguredMachine) -> Member:
    return Member(address=machine.address, incarnation=machine.incarnation)
