# ruff: noqa: S105 - a type token is no password
"""Stand-in of the `talos` provider: machines of the twin, secrets and configurations by Talos' own library."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from twin.kubernetes.plane import PlaneNotReadyError
from twin.kubernetes.planes import Planes
from twin.providers.errors import ApiError
from twin.providers.inputs import Violation
from twin.providers.kinds import JOURNAL, Call, Created, Found, ResourceKind, State, Surroundings, now
from twin.providers.stand_in import Function, StandIn
from twin.talos.clusters import Clusters
from twin.talos.factory import Factory
from twin.talos.machinery import Machinery, MachineryError
from twin.talos.refusal import Code, TalosError

VERSION = re.compile(r"^v?\d+\.\d+(\.\d+)?$")
APPLY_MODES = ("auto", "reboot", "no_reboot", "staged", "staged_if_needing_reboot")
WRITE_ONLY = ("clientConfigurationWo", "machineConfigurationInputWo")
KUBECONFIG_RENEWAL = "720h"
DEFAULT_PATIENCE = "10m"
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
BOOTSTRAP_ID = "machine_bootstrap"
BAD_REQUEST = 400


class _Kubernetes:
    """The Kubernetes that the clusters bring up, where there is somebody to run it."""

    def __init__(self) -> None:
        self._planes: Planes | None = None

    def connect(self, planes: Planes) -> None:
        """From now on the clusters come up by these planes."""
        self._planes = planes

    async def wait(self, cluster_id: str, seconds: float) -> None:
        """Return when the API of the cluster answers; TalosError with the reasons when it does not in time."""
        if self._planes is None:
            return
        try:
            await self._planes.wait_ready(cluster_id, seconds)
        except PlaneNotReadyError as error:
            raise TalosError(Code.DEADLINE_EXCEEDED, str(error)) from error

    def reachable(self, kubeconfig: str) -> str:
        """The kubeconfig with the way into the lab's network."""
        return kubeconfig if self._planes is None else self._planes.reachable(kubeconfig)


class _TalosKind(ResourceKind):
    """A resource of the provider."""

    def __init__(self, surroundings: Surroundings, machinery: Machinery, kubernetes: _Kubernetes) -> None:
        super().__init__(surroundings)
        self.machinery = machinery
        self.kubernetes = kubernetes
        self.clusters = Clusters(surroundings.store, surroundings.world, machinery)

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """As Pulumi remembers it: the real provider asks nobody."""
        return Found(resource_id, inputs, {name: value for name, value in outputs.items() if name not in inputs})

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Nothing but what Pulumi remembers."""
        del resource_id
        return {name: value for name, value in outputs.items() if name not in call.inputs}

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Nothing but what Pulumi remembers."""


class Schematic(_TalosKind):
    """A schematic of the image factory."""

    token = "talos:imageFactory/schematic:Schematic"
    # Another content has another id, and an update cannot change a resource's id.
    replace_on = frozenset({"schematic"})

    async def create(self, call: Call) -> Created:
        """Its id is the hash of its content."""
        try:
            inspected = await self.machinery.schematic(call.inputs.get("schematic", ""))
        except MachineryError as error:
            raise ApiError(BAD_REQUEST, f"the image factory refuses the schematic: {error}") from error
        return Created(Factory(self.store).register(inspected).schematic_id, {})


class Secrets(_TalosKind):
    """The secrets of a cluster. They are in Pulumi's state alone: what loses that loses the cluster."""

    token = "talos:machine/secrets:Secrets"
    secret_outputs = frozenset({"machineSecrets", "clientConfiguration"})

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The version is one."""
        del configuration
        version = inputs.get("talosVersion")
        if version is not None and not VERSION.match(version):
            yield Violation("talosVersion", f"must be a Talos version such as v1.11.3, not `{version}`")

    async def create(self, call: Call) -> Created:
        """Make them, as that Talos version takes them."""
        version = call.inputs.get("talosVersion") or (await self.machinery.library())["version"]
        try:
            made = await self.machinery.secrets(version)
        except MachineryError as error:
            raise ApiError(BAD_REQUEST, str(error)) from error
        return Created("machine_secrets", {"talosVersion": version, **made})


class ConfigurationApply(_TalosKind):
    """A configuration on a machine."""

    token = "talos:machine/configurationApply:ConfigurationApply"
    secret_outputs = frozenset({"clientConfiguration", "machineConfiguration", "machineConfigurationInput"})
    renewed_on_update = frozenset({"machineConfiguration", "machineConfigurationHash"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """The machine is asked at its own address, and restarts when it must."""
        del configuration
        mode = inputs.get("applyMode", "auto")
        endpoint = {"endpoint": inputs["endpoint"]} if "endpoint" in inputs else _endpoint(inputs)
        return {**endpoint, "applyMode": mode, "resolvedApplyMode": mode}

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """The mode is one, nothing is write-only."""
        del configuration
        if inputs.get("applyMode", "auto") not in APPLY_MODES:
            yield Violation("applyMode", f"must be one of {', '.join(APPLY_MODES)}, not `{inputs['applyMode']}`")
        if inputs.get("applyMode") in ("staged", "staged_if_needing_reboot"):
            yield Violation(
                "applyMode", f"`{inputs['applyMode']}` is not emulated: a machine of the twin never restarts"
            )
        yield from _write_only(inputs)

    async def create(self, call: Call) -> Created:
        """Configure the machine."""
        return Created("machine_configuration_apply", await self._apply(call))

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """Gone when the machine answers and has no configuration, or another cluster's: it was made anew or reset.

        A machine that does not answer is taken to have it still.
        """
        if self.world.at(inputs["node"]) is None:
            return await super().read(resource_id, inputs, outputs)
        configured = self.clusters.configured(inputs["node"])
        if configured is None or configured.parsed.authority != inputs["clientConfiguration"]["caCertificate"]:
            return None
        kept = {name: value for name, value in outputs.items() if name not in inputs}
        return Found(resource_id, inputs, {**kept, **_applied(configured.configuration)})

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Configure the machine again; one that was named before keeps what it has, as with the real provider."""
        del resource_id, outputs
        return await self._apply(call)

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Wipe the machine if the resource was told to; else it goes on as it is."""
        del resource_id
        if (call.inputs.get("onDestroy") or {}).get("reset"):
            node = call.inputs["node"]
            authority = call.inputs["clientConfiguration"]["caCertificate"]
            self.clusters.reset(node, outputs.get("endpoint") or node, authority)

    async def _apply(self, call: Call) -> State:
        inputs = call.inputs
        for name in ("machineConfigurationInput", "clientConfiguration"):
            if name not in inputs:
                raise ApiError(BAD_REQUEST, f"{name} is missing")
        known = self.completed(inputs, call.configuration)
        configuration = inputs["machineConfigurationInput"]
        if inputs.get("configPatches"):
            try:
                configuration = await self.machinery.patch(configuration, inputs["configPatches"])
            except MachineryError as error:
                raise ApiError(BAD_REQUEST, str(error)) from error
        authority = inputs["clientConfiguration"]["caCertificate"]
        await self.clusters.apply(inputs["node"], known["endpoint"], authority, configuration)
        return {**known, **_applied(configuration)}


class Bootstrap(_TalosKind):
    """The beginning of a cluster's etcd."""

    token = "talos:machine/bootstrap:Bootstrap"
    secret_outputs = frozenset({"clientConfiguration"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """The machine is asked at its own address."""
        del configuration
        return {} if "endpoint" in inputs else _endpoint(inputs)

    def violations(self, inputs: State, configuration: Mapping[str, Any]) -> Iterable[Violation]:
        """Nothing is write-only."""
        del configuration
        yield from _write_only(inputs)

    def import_target(self, import_id: str) -> tuple[str, State]:
        """Any id: an import tells only that the cluster was bootstrapped before."""
        del import_id
        return BOOTSTRAP_ID, {}

    async def create(self, call: Call) -> Created:
        """Begin it; refused when the cluster has one."""
        if "clientConfiguration" not in call.inputs:
            raise ApiError(BAD_REQUEST, "clientConfiguration is missing")
        node = call.inputs["node"]
        endpoint = call.inputs.get("endpoint") or node
        with self.store.transaction():
            self.clusters.bootstrap(node, endpoint, call.inputs["clientConfiguration"]["caCertificate"])
            self.store.put(JOURNAL, call.urn, {"token": self.token, "id": BOOTSTRAP_ID, "at": now()})
        return Created(BOOTSTRAP_ID, self.completed(call.inputs, call.configuration))

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """Gone when the machine answers and the cluster's data does not exist any more."""
        if "node" not in inputs:
            # Imported, and not yet told which node: the next update does.
            return Found(BOOTSTRAP_ID, inputs, {})
        if self.clusters.is_bootstrapped(inputs["node"]) is False:
            return None
        return await super().read(resource_id, inputs, outputs)

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Nothing but what Pulumi remembers."""
        del resource_id, outputs
        return self.completed(call.inputs, call.configuration)

    async def delete(self, resource_id: str, call: Call, outputs: State) -> None:
        """Nothing but what Pulumi remembers: etcd lives on."""
        del resource_id, outputs
        self.store.delete(JOURNAL, call.urn)


class Kubeconfig(_TalosKind):
    """An administrator's kubeconfig."""

    token = "talos:cluster/kubeconfig:Kubeconfig"
    secret_outputs = frozenset({"clientConfiguration", "kubeconfigRaw", "kubernetesClientConfiguration"})
    renewed_on_update = frozenset({"kubeconfigRaw", "kubernetesClientConfiguration"})

    def completed(self, inputs: State, configuration: Mapping[str, Any]) -> State:
        """The node is asked at its own address; the certificate is renewed a month before its end."""
        del configuration
        renewal = {"certificateRenewalDuration": inputs.get("certificateRenewalDuration", KUBECONFIG_RENEWAL)}
        return renewal if "endpoint" in inputs else {**renewal, **_endpoint(inputs)}

    async def create(self, call: Call) -> Created:
        """Ask a control-plane node for one."""
        made = await self._fetch(call)
        return Created(made.pop("clusterName"), made)

    async def read(self, resource_id: str, inputs: State, outputs: State) -> Found | None:
        """As Pulumi remembers it, with the way into the lab's network as it is now."""
        found = await super().read(resource_id, inputs, outputs)
        if found is not None and "kubeconfigRaw" in found.outputs:
            found.outputs["kubeconfigRaw"] = self.kubernetes.reachable(found.outputs["kubeconfigRaw"])
        return found

    async def update(self, resource_id: str, call: Call, outputs: State) -> State:
        """Ask for another."""
        del resource_id, outputs
        made = await self._fetch(call)
        made.pop("clusterName")
        return made

    async def _fetch(self, call: Call) -> State:
        node = call.inputs["node"]
        authority = call.inputs["clientConfiguration"]["caCertificate"]
        made = await self.clusters.kubeconfig(node, call.inputs.get("endpoint") or node, authority)
        configured = self.clusters.configured(node)
        if configured is not None:
            await self.kubernetes.wait(configured.parsed.cluster_id, _patience(call.inputs, "create", "update"))
        reachable = {"kubeconfigRaw": self.kubernetes.reachable(str(made["kubeconfigRaw"]))}
        return {**self.completed(call.inputs, call.configuration), **made, **reachable}


class Talos(StandIn):
    """The `talos` provider."""

    name = "talos"
    sdk = "pulumiverse_talos"

    def __init__(self, surroundings: Surroundings, cache: Path) -> None:
        self._machinery = Machinery()
        self._kubernetes = _Kubernetes()
        self._clusters = Clusters(surroundings.store, surroundings.world, self._machinery)
        super().__init__(surroundings, cache)

    @property
    def clusters(self) -> Clusters:
        """The clusters that the provider made of the machines."""
        return self._clusters

    def connect(self, planes: Planes) -> None:
        """Health and kubeconfigs wait for the Kubernetes that these planes run."""
        self._kubernetes.connect(planes)

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """Every resource of the provider."""
        kinds: tuple[type[_TalosKind], ...] = (Schematic, Secrets, ConfigurationApply, Bootstrap, Kubeconfig)
        return [kind(surroundings, self._machinery, self._kubernetes) for kind in kinds]

    def functions(self, surroundings: Surroundings) -> Mapping[str, Function]:
        """The functions that a cluster needs."""
        del surroundings
        return {
            "talos:machine/getConfiguration:getConfiguration": self._machine_configuration,
            "talos:client/getConfiguration:getConfiguration": self._client_configuration,
            "talos:cluster/getHealth:getHealth": self._health,
        }

    async def _machine_configuration(self, given: State, configuration: Mapping[str, Any]) -> State:
        """Make a machine configuration, and refuse what no machine would take."""
        del configuration
        library = await self._machinery.library()
        complete = {
            "kubernetesVersion": library["kubernetesVersion"],
            "talosVersion": library["version"],
            "configPatches": [],
            "docs": False,
            "examples": False,
            **_without_none(given),
        }
        try:
            made = await self._machinery.configuration(complete)
            await self._machinery.inspect(made)
        except MachineryError as error:
            raise ApiError(
                BAD_REQUEST, f"no machine configuration for cluster {complete.get('clusterName')}: {error}"
            ) from error
        return {**complete, "id": complete["clusterName"], "machineConfiguration": made}

    async def _client_configuration(self, given: State, configuration: Mapping[str, Any]) -> State:
        """Write a talosconfig."""
        del configuration
        name = given["clusterName"]
        text = await self._machinery.talosconfig(
            name, given["clientConfiguration"], given.get("endpoints") or [], given.get("nodes") or []
        )
        return {**given, "id": name, "talosConfig": text}

    async def _health(self, given: State, configuration: Mapping[str, Any]) -> State:
        """Answer when the cluster is healthy and its Kubernetes API answers."""
        del configuration
        authority = given["clientConfiguration"]["caCertificate"]
        self._clusters.check_health(
            given["endpoints"],
            given["controlPlaneNodes"],
            given.get("workerNodes") or [],
            authority,
            skip_kubernetes=bool(given.get("skipKubernetesChecks")),
        )
        for cluster in self._clusters.clusters():
            if cluster.bootstrapped and any(machine.parsed.authority == authority for machine in cluster.machines):
                await self._kubernetes.wait(cluster.cluster_id, _patience(given, "read"))
        return {**given, "id": "cluster_health"}


def _patience(inputs: State, *operations: str) -> float:
    """Seconds that the operation may take, by its `timeouts`."""
    given = inputs.get("timeouts") or {}
    told = next((given[operation] for operation in operations if operation in given), DEFAULT_PATIENCE)
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in DURATION_PART.findall(told))


def _endpoint(inputs: State) -> State:
    return {"endpoint": inputs["node"]} if "node" in inputs else {}


def _write_only(inputs: State) -> Iterable[Violation]:
    for name in WRITE_ONLY:
        if name in inputs:
            yield Violation(name, "write-only inputs are not emulated")


def _applied(configuration: str) -> State:
    digest = hashlib.sha256(configuration.encode()).hexdigest()
    return {"machineConfiguration": configuration, "machineConfigurationHash": digest}


def _without_none(given: State) -> State:
    return {name: value for name, value in given.items() if value is not None}
