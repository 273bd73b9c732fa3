"""What the Talos APIs of the machines answer: configuration, bootstrap, health, kubeconfig."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address

from model.base import Value
from twin.store import Store
from twin.talos import fitness
from twin.talos.configuration import MachineType, read_configuration
from twin.talos.etcd import Etcd
from twin.talos.factory import Factory, image_of_file
from twin.talos.machinery import Machinery, MachineryError
from twin.talos.records import ConfiguredMachine, MachineRecords, Moment
from twin.talos.refusal import Code, TalosError
from twin.world import Machine, World

TALOS_PORT = 50000


class Cluster(Value):
    """A cluster that has configured machines."""

    cluster_id: str
    name: str
    endpoint: str
    virtual_ips: tuple[IPv4Address, ...]
    data: str | None
    """Identity of etcd's data; None before it has begun, and when it is lost."""
    has_quorum: bool
    """Whether the Kubernetes API can answer."""
    machines: tuple[ConfiguredMachine, ...]
    """In order of their addresses; those that do not answer now, too."""

    @property
    def bootstrapped(self) -> bool:
        """Whether etcd has begun and its data is still there."""
        return self.data is not None

    @property
    def control_planes(self) -> tuple[ConfiguredMachine, ...]:
        """The machines with etcd and the API server, in order of their addresses."""
        return tuple(machine for machine in self.machines if machine.parsed.type is MachineType.CONTROL_PLANE)


class Clusters:
    """The machines' Talos APIs. Every change is one transaction of the store."""

    def __init__(self, store: Store, world: World, machinery: Machinery) -> None:
        self._store = store
        self._world = world
        self._machinery = machinery
        self._records = MachineRecords(store, world)
        self._etcd = Etcd(store, world, self._records)
        self._factory = Factory(store)

    def clusters(self) -> tuple[Cluster, ...]:
        """Every cluster that has a configured machine, by name."""
        # Every machine is looked at many times: the world is asked once.
        moment = Moment(self._world.machines())
        records = MachineRecords(self._store, moment)
        etcd = Etcd(self._store, moment, records)
        found: dict[str, list[ConfiguredMachine]] = {}
        for machine in records.all():
            found.setdefault(machine.parsed.cluster_id, []).append(machine)
        return tuple(sorted((_cluster(etcd, key, group) for key, group in found.items()), key=lambda c: c.name))

    def settle(self, exists: Callable[[ConfiguredMachine], bool]) -> tuple[Cluster, ...]:
        """Every cluster, after forgetting what was on disks that are no more: the data of a cluster without any
        control-plane machine, and the configurations of the machines of a cluster without data.
        """
        clusters = self.clusters()
        lost = [c for c in clusters if c.bootstrapped and not any(exists(machine) for machine in c.control_planes)]
        stray = [m for c in clusters if c in lost or not c.bootstrapped for m in c.machines if not exists(m)]
        if not lost and not stray:
            return clusters
        with self._store.transaction():
            for cluster in lost:
                self._etcd.forget(cluster.cluster_id)
            for machine in stray:
                self._records.remove(machine)
        return self.clusters()

    def configured_machines(self, cluster_id: str) -> tuple[ConfiguredMachine, ...]:
        """The machines of the cluster in order of their addresses; those that do not answer now, too."""
        return self._records.of_cluster(cluster_id)

    def configured(self, address: str) -> ConfiguredMachine | None:
        """The machine's configuration: None when it took none, or was made anew since."""
        return self._records.at(address)

    def answers(self, machine: ConfiguredMachine) -> bool:
        """Whether the machine is up, with the disk it was configured on."""
        return self._records.answers(machine)

    def is_bootstrapped(self, node: str) -> bool | None:
        """Whether the cluster of the machine at `node` has its etcd data; None when the machine does not answer."""
        if self._world.at(node) is None:
            return None
        recorded = self._records.at(node)
        return recorded is not None and self._etcd.settle(recorded.parsed.cluster_id) is not None

    async def apply(self, node: str, endpoint: str, authority: str, configuration: str) -> ConfiguredMachine:
        """Configure the machine at `node`; TalosError when it does not answer or refuses.

        `authority` is the certificate of the Talos authority that the client trusts, PEM in base64.
        """
        machine = self._dial(node, endpoint, authority)
        try:
            documents = await self._machinery.inspect(configuration)
        except MachineryError as error:
            raise TalosError(Code.INVALID_ARGUMENT, f"configuration validation failed: {error}") from error
        parsed = read_configuration(documents)
        recorded = self._records.at(machine.address)
        # An installer that is configured later is for the next upgrade; the machine goes on with what it booted.
        image = fitness.system_image(machine, parsed) if recorded is None else recorded.image
        schematic = None if image is None else self._factory.schematic(image.schematic_id)
        extensions = () if schematic is None else schematic.extensions
        problems = [
            *fitness.installer_problems(machine, parsed, self._factory),
            *(fitness.first_boot_problems(machine, parsed) if recorded is None else ()),
            *fitness.disk_problems(machine, parsed),
            *(await fitness.volume_problems(machine, parsed, configuration, self._machinery)),
            *fitness.network_problems(machine, parsed, self._world, self._records),
            *fitness.module_problems(parsed, extensions),
        ]
        if problems:
            raise TalosError(
                Code.INVALID_ARGUMENT, f"{machine.name} ({node}) cannot run this configuration:{_listed(problems)}"
            )
        if self._world.at(node) != machine:
            raise self._unreachable(node)
        configured = ConfiguredMachine(
            address=machine.address,
            name=machine.name,
            host=machine.host,
            incarnation=machine.incarnation,
            configuration=configuration,
            parsed=parsed,
            image=image,
            extensions=extensions,
        )
        with self._store.transaction():
            self._records.put(configured)
            self._etcd.settle(parsed.cluster_id)
        return configured

    def reset(self, node: str, endpoint: str, authority: str) -> None:
        """Wipe the machine: it waits for a configuration again. One that is not configured is left alone."""
        machine = self._dial(node, endpoint, authority)
        recorded = self._records.at(machine.address)
        if recorded is None:
            return
        with self._store.transaction():
            self._records.remove(recorded)
            self._etcd.leave(recorded)

    def bootstrap(self, node: str, endpoint: str, authority: str) -> ConfiguredMachine:
        """Begin etcd on the machine; TalosError when the cluster has one, or the machine is no control plane."""
        recorded = self._configured(self._dial(node, endpoint, authority), "bootstrap")
        if recorded.parsed.type is not MachineType.CONTROL_PLANE:
            raise TalosError(
                Code.FAILED_PRECONDITION, f"{recorded.name} ({node}) is a worker; etcd begins on a control-plane node"
            )
        membership = self._etcd.settle(recorded.parsed.cluster_id)
        if membership is not None:
            members = ", ".join(str(member.address) for member in membership.members)
            raise TalosError(
                Code.ALREADY_EXISTS,
                f"etcd data directory is not empty: cluster {recorded.parsed.cluster_name} was bootstrapped before and "
                f"lives on {members}",
            )
        self._etcd.begin(recorded)
        return recorded

    async def kubeconfig(self, node: str, endpoint: str, authority: str) -> Mapping[str, object]:
        """An administrator's kubeconfig; TalosError while the Kubernetes API cannot answer."""
        recorded = self._configured(self._dial(node, endpoint, authority), "make a kubeconfig")
        cluster_id, name = recorded.parsed.cluster_id, recorded.parsed.cluster_name
        if recorded.parsed.type is not MachineType.CONTROL_PLANE:
            raise TalosError(
                Code.FAILED_PRECONDITION, f"{recorded.name} ({node}) is a worker; ask a control-plane node"
            )
        if self._etcd.settle(cluster_id) is None:
            raise TalosError(Code.FAILED_PRECONDITION, f"cluster {name} has not been bootstrapped")
        if not self._etcd.has_quorum(cluster_id):
            raise TalosError(Code.UNAVAILABLE, f"etcd of cluster {name} has no quorum: too few of its members answer")
        return await self._machinery.kubeconfig(recorded.configuration)

    def check_health(
        self,
        endpoints: Sequence[str],
        control_planes: Sequence[str],
        workers: Sequence[str],
        authority: str,
        *,
        skip_kubernetes: bool = False,
    ) -> None:
        """TalosError naming every node that is missing, and why. The real client asks again until its time is up.

        Only Kubernetes would tell of a worker that nobody listed.
        """
        problems: list[str] = []
        if not any(self._world.at(endpoint) is not None for endpoint in endpoints):
            problems.append(f"no endpoint answers: {', '.join(endpoints)}")
        for address in control_planes:
            problems += self._node_problems(address, MachineType.CONTROL_PLANE, authority)
        for address in workers:
            problems += self._node_problems(address, MachineType.WORKER, authority)
        problems += self._membership_problems((*control_planes, *workers), authority, skip_kubernetes)
        if problems:
            raise TalosError(Code.DEADLINE_EXCEEDED, f"the cluster is not healthy:{_listed(problems)}")

    def _node_problems(self, address: str, kind: MachineType, authority: str) -> list[str]:
        machine = self._world.at(address)
        if machine is None:
            return [f"{address} ({kind}) does not answer: {self._absence(address)}"]
        recorded = self._records.at(address)
        if recorded is None:
            return [f"{address} ({machine.name}) has no configuration"]
        if recorded.parsed.authority != authority:
            return [f"{address} ({machine.name}) belongs to another cluster named {recorded.parsed.cluster_name}"]
        if recorded.parsed.type is not kind:
            return [f"{address} ({machine.name}) is a {recorded.parsed.type}, not a {kind}"]
        return []

    def _membership_problems(self, listed: Sequence[str], authority: str, skip_kubernetes: bool) -> list[str]:
        problems: list[str] = []
        for cluster in self.clusters():
            own = [machine for machine in cluster.machines if machine.parsed.authority == authority]
            if not own:
                continue
            if not cluster.bootstrapped:
                problems.append("etcd has not been bootstrapped")
            elif not cluster.has_quorum:
                problems.append("etcd has no quorum: too few of its members answer")
            problems += [
                f"{machine.address} ({machine.name}) is in the cluster and not in the list of nodes"
                for machine in own
                if str(machine.address) not in listed and self._records.answers(machine)
                if machine.parsed.type is MachineType.CONTROL_PLANE or not skip_kubernetes
            ]
        return problems

    def _dial(self, node: str, endpoint: str, authority: str) -> Machine:
        """The machine at `node`, asked through `endpoint`; refused when it trusts another authority than the client."""
        if endpoint != node:
            self._dial_endpoint(endpoint, authority)
        machine = self._world.at(node)
        if machine is None:
            raise self._unreachable(node)
        if machine.image is not None and image_of_file(machine.image) is None:
            raise TalosError(
                Code.UNAVAILABLE, f"{_dialing(node)}: connection refused; {machine.name} does not run Talos"
            )
        recorded = self._records.at(machine.address)
        if recorded is not None and recorded.parsed.authority != authority:
            raise _foreign(recorded)
        return machine

    def _dial_endpoint(self, endpoint: str, authority: str) -> None:
        """The endpoint passes a call on: a configured machine, or whoever holds a cluster's virtual IP."""
        machine = self._world.at(endpoint)
        if machine is not None:
            passing = self._configured(machine, "pass a call on")
        else:
            passing = self._virtual_ip_holder(endpoint)
        if passing.parsed.authority != authority:
            raise _foreign(passing)

    def _virtual_ip_holder(self, endpoint: str) -> ConfiguredMachine:
        cluster = next((c for c in self.clusters() if IPv4Address(endpoint) in c.virtual_ips), None)
        if cluster is None:
            raise self._unreachable(endpoint)
        if not cluster.has_quorum:
            raise TalosError(
                Code.UNAVAILABLE,
                f"{_dialing(endpoint)}: no route to host; nobody holds the virtual IP of cluster {cluster.name}: "
                + ("etcd has no quorum" if cluster.bootstrapped else "it has not been bootstrapped"),
            )
        return next(m for m in cluster.machines if m.parsed.virtual_ips and self._records.answers(m))

    def _configured(self, machine: Machine, call: str) -> ConfiguredMachine:
        recorded = self._records.at(machine.address)
        if recorded is None:
            raise TalosError(
                Code.FAILED_PRECONDITION,
                f"{machine.name} ({machine.address}) cannot {call}: it is in maintenance mode, no configuration was "
                "applied to it",
            )
        return recorded

    def _unreachable(self, address: str) -> TalosError:
        return TalosError(Code.UNAVAILABLE, f"{_dialing(address)}: no route to host; {self._absence(address)}")

    def _absence(self, address: str) -> str:
        """Why nobody answers, as far as it is known."""
        recorded = self._records.last_at(address)
        if recorded is not None:
            name, host = recorded.name, recorded.host
        else:
            metal = next((h for h in self._world.lab.hosts if IPv4Address(address) in h.addresses.values()), None)
            if metal is None:
                return f"no machine that is switched on has {address}"
            name = host = str(metal.name)
        if self._world.faults.host_is_down(host):
            return f"{name} is down" if name == host else f"{name} is on {host}, and {host} is down"
        return f"{name} had this address: it was switched off or removed"


def _cluster(etcd: Etcd, cluster_id: str, machines: Sequence[ConfiguredMachine]) -> Cluster:
    first = machines[0].parsed
    membership = etcd.settle(cluster_id)
    return Cluster(
        cluster_id=cluster_id,
        name=first.cluster_name,
        endpoint=first.endpoint,
        virtual_ips=tuple(dict.fromkeys(ip for machine in machines for ip in machine.parsed.virtual_ips)),
        data=None if membership is None else membership.identity,
        has_quorum=membership is not None and etcd.answers(membership),
        machines=tuple(machines),
    )


def _dialing(address: str) -> str:
    return f"connection error: dial tcp {address}:{TALOS_PORT}"


def _foreign(recorded: ConfiguredMachine) -> TalosError:
    return TalosError(
        Code.UNAVAILABLE,
        f"tls: certificate signed by unknown authority: {recorded.name} ({recorded.address}) belongs to another "
        f"cluster named {recorded.parsed.cluster_name}; reset it there before it is configured here",
    )


def _listed(problems: Sequence[str]) -> str:
    return "".join(f"\n  - {problem}" for problem in problems)
