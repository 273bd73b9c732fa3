"""Which configuration each machine took. It is on the machine's disk: a machine that is made anew has none."""

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Protocol

from model.base import Value
from twin.store import Collection, Store
from twin.talos.configuration import MachineConfiguration
from twin.talos.factory import SystemImage
from twin.world import Machine

MACHINES = Collection("talos/machines")
"""Key: address."""


class ConfiguredMachine(Value):
    """A machine with the configuration that it took."""

    address: IPv4Address
    name: str
    """The machine's, e.g. the VM's; its node is called `parsed.hostname`."""
    host: str
    incarnation: str
    configuration: str
    """The whole configuration as YAML, with every secret of the cluster that this machine has."""
    parsed: MachineConfiguration
    image: SystemImage | None
    """What it runs; None when neither disk image nor installer is the factory's."""
    extensions: tuple[str, ...]
    """System extensions of its image by full name, e.g. `siderolabs/amdgpu`."""


class Located(Protocol):
    """Whoever knows which machine answers where: the world, or what it was at one moment."""

    def at(self, address: IPv4Address | str) -> Machine | None:
        """The machine that answers at the address, None when none does."""
        ...


class Moment:
    """The machines that were switched on at one moment; asking it costs nothing."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        self._machines: dict[IPv4Address, Machine] = {}
        for machine in machines:
            self._machines.setdefault(machine.address, machine)

    def at(self, address: IPv4Address | str) -> Machine | None:
        """The machine that answered at the address, None when none did."""
        return self._machines.get(IPv4Address(address))


class MachineRecords:
    """The configured machines, kept in the store and compared with the machines that are there."""

    def __init__(self, store: Store, world: Located) -> None:
        self._store = store
        self._world = world

    def all(self) -> tuple[ConfiguredMachine, ...]:
        """In order of their addresses; those that do not answer now, too, but not those made anew since."""
        found = [ConfiguredMachine.model_validate(body) for _, body in self._store.items(MACHINES)]
        return tuple(sorted((m for m in found if not self._made_anew(m)), key=lambda machine: machine.address))

    def of_cluster(self, cluster_id: str) -> tuple[ConfiguredMachine, ...]:
        """Those of one cluster."""
        return tuple(machine for machine in self.all() if machine.parsed.cluster_id == cluster_id)

    def at(self, address: IPv4Address | str) -> ConfiguredMachine | None:
        """None when nothing was configured there, or the machine was made anew since."""
        recorded = self.last_at(address)
        return None if recorded is None or self._made_anew(recorded) else recorded

    def last_at(self, address: IPv4Address | str) -> ConfiguredMachine | None:
        """What was configured there last, whatever became of the machine."""
        body = self._store.get(MACHINES, str(address))
        return None if body is None else ConfiguredMachine.model_validate(body)

    def answers(self, machine: ConfiguredMachine) -> bool:
        """Whether the machine is up, with the disk it was configured on."""
        current = self._world.at(machine.address)
        return current is not None and current.incarnation == machine.incarnation

    def put(self, machine: ConfiguredMachine) -> None:
        """The machine took a configuration."""
        self._store.put(MACHINES, str(machine.address), machine.model_dump(mode="json"))

    def remove(self, machine: ConfiguredMachine) -> None:
        """The machine's disk was wiped."""
        self._store.delete(MACHINES, str(machine.address))

    def _made_anew(self, machine: ConfiguredMachine) -> bool:
        current = self._world.at(machine.address)
        return current is not None and current.incarnation != machine.incarnation
