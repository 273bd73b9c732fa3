"""The stand-in provider as the engine talks to it: over gRPC, with the SDK's own types."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from components.talos.patches import machine_patches, render
from components.talos.plan import configuration_type
from components.talos.schematics import installer_image, schematic_text
from model.cluster import NodePlan
from model.exclusive import Colour
from tests.conformance.talos.configurations import ClusterSecrets
from tests.conformance.talos.machines import Machines
from tests.conformance.talos.plans import cluster_plan
from tests.twin.provider_client import Known, ProviderClient, RefusedError
from tests.twin.refusals import refusal
from tools.build import cache_directory
from twin.faults import Fault, FaultKind, Faults
from twin.providers import wire
from twin.providers.kinds import JOURNAL, Surroundings
from twin.providers.servicer import serve
from twin.providers.talos import Talos
from twin.store import Store
from twin.world import World

PLAN = cluster_plan(Colour.GREEN)
FIRST = PLAN.control_planes[0]
WORKER = PLAN.workers[0]
NOSE = next(node for node in PLAN.nodes if node.logical_name == "worker-nose")

SCHEMATIC = "talos:imageFactory/schematic:Schematic"
SECRETS = "talos:machine/secrets:Secrets"
APPLY = "talos:machine/configurationApply:ConfigurationApply"
BOOTSTRAP = "talos:machine/bootstrap:Bootstrap"
KUBECONFIG = "talos:cluster/kubeconfig:Kubeconfig"
GET_CONFIGURATION = "talos:machine/getConfiguration:getConfiguration"
GET_TALOSCONFIG = "talos:client/getConfiguration:getConfiguration"
GET_HEALTH = "talos:cluster/getHealth:getHealth"


class Session:
    """What an engine does with a colour's program, step by step."""

    def __init__(self, client: ProviderClient, machines: Machines, secrets: Known) -> None:
        self.client = client
        self.machines = machines
        self.secrets = secrets

    @property
    def credentials(self) -> dict[str, wire.Value]:
        return self.secrets.plain("clientConfiguration")

    async def configuration(self, node: NodePlan, *more: str) -> wire.Value:
        schematic = await self.client.create(SCHEMATIC, "schematic", {"schematic": schematic_text(node.schematic)})
        if node.vm_id is not None and node.address not in self.machines:
            self.machines.create(node, schematic.resource_id, PLAN.release.talos)
        installer = installer_image(node, schematic.resource_id, PLAN.release.talos)
        answer = await self.client.invoke(
            GET_CONFIGURATION,
            {
                "clusterName": PLAN.name,
                "clusterEndpoint": PLAN.endpoint,
                "machineType": str(configuration_type(node)),
                "machineSecrets": self.secrets.plain("machineSecrets"),
                "talosVersion": PLAN.release.talos,
                "kubernetesVersion": PLAN.release.kubernetes,
                "configPatches": [*render(machine_patches(PLAN, node, installer)), *more],
                "docs": False,
                "examples": False,
            },
        )
        return wire.reveal(answer["machineConfiguration"])

    async def apply_inputs(self, node: NodePlan, *more: str) -> dict[str, wire.Value]:
        return {
            "node": str(node.address),
            "clientConfiguration": wire.Secret(self.credentials),
            "machineConfigurationInput": wire.Secret(await self.configuration(node, *more)),
        }

    async def apply(self, node: NodePlan, **changes: wire.Value) -> Known:
        inputs = {**await self.apply_inputs(node), **changes}
        return await self.client.create(APPLY, f"configuration-{node.logical_name}", inputs)

    def at(self, node: NodePlan, endpoint: str | None = None) -> dict[str, wire.Value]:
        asked: dict[str, wire.Value] = {"node": str(node.address), "clientConfiguration": self.credentials}
        return asked if endpoint is None else {**asked, "endpoint": endpoint}


@pytest.fixture
def surroundings(store: Store, world: World, faults: Faults) -> Surroundings:
    return Surroundings(store, world, faults)


@pytest_asyncio.fixture
async def client(
    surroundings: Surroundings, machinery_executable: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ProviderClient]:
    monkeypatch.setenv("PATH", f"{machinery_executable.parent}{os.pathsep}{os.environ['PATH']}")
    server, port = await serve(Talos(surroundings, cache_directory() / "sdk-types"), 0)
    connected = ProviderClient(port)
    await connected.configure({}, "talos")
    yield connected
    await connected.close()
    await server.stop(None)


@pytest_asyncio.fixture
async def session(client: ProviderClient, machines: Machines, secrets: ClusterSecrets) -> Session:
    """With secrets that exist already: making them takes half a second."""
    properties: wire.Properties = {
        "talosVersion": PLAN.release.talos,
        "machineSecrets": wire.Secret(dict(secrets.machine)),
        "clientConfiguration": wire.Secret(dict(secrets.client)),
    }
    inputs: wire.Properties = {"talosVersion": PLAN.release.talos}
    return Session(client, machines, Known(SECRETS, "secrets", "machine_secrets", inputs, properties))


async def test_secrets_are_secret_and_unknown_at_preview(client: ProviderClient) -> None:
    planned = await client.preview(SECRETS, "secrets", {"talosVersion": "v1.11.3"})
    assert wire.has_unknown(planned["machineSecrets"])
    made = await client.create(SECRETS, "secrets", {"talosVersion": "v1.11.3"})
    assert isinstance(made.properties["machineSecrets"], wire.Secret)
    assert isinstance(made.properties["clientConfiguration"], wire.Secret)
    assert made.plain("machineSecrets")["secrets"]["bootstrapToken"]


async def test_a_newer_talos_keeps_the_secrets(client: ProviderClient, session: Session) -> None:
    updated = await client.update(session.secrets, {"talosVersion": "v1.11.5"})
    assert updated.plain("machineSecrets") == session.secrets.plain("machineSecrets")
    assert updated.properties["talosVersion"] == "v1.11.5"


async def test_secrets_of_no_version_are_refused(client: ProviderClient) -> None:
    with pytest.raises(RefusedError, match=r"must be a Talos version such as v1\.11\.3, not `latest`"):
        await client.check(SECRETS, "secrets", {"talosVersion": "latest"})
    message = await refusal(client.create(SECRETS, "secrets", {"talosVersion": "v1.99.0"}))
    assert "Talos v1.99.0 is newer than this library" in message


async def test_schematic_is_its_content(client: ProviderClient) -> None:
    made = await client.create(SCHEMATIC, "plain", {"schematic": "customization: {}"})
    assert made.resource_id == "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
    difference = await client.diff(made, {"schematic": "customization: {extraKernelArgs: [quiet]}"})
    assert list(difference.replaces) == ["schematic"]
    assert "field extraKernelArg not found" in await refusal(
        client.create(SCHEMATIC, "broken", {"schematic": "customization: {extraKernelArg: [quiet]}"})
    )


async def test_a_cluster_from_secrets_to_kubeconfig(client: ProviderClient, session: Session) -> None:
    applied = await session.apply(FIRST)
    assert applied.properties["endpoint"] == str(FIRST.address)
    assert applied.properties["resolvedApplyMode"] == "auto"
    assert isinstance(applied.properties["machineConfiguration"], wire.Secret)
    assert isinstance(applied.properties["clientConfiguration"], wire.Secret)
    await client.create(BOOTSTRAP, "bootstrap", session.at(FIRST))
    nodes: dict[str, wire.Value] = {
        "endpoints": [str(FIRST.address)],
        "controlPlaneNodes": [str(FIRST.address)],
        "clientConfiguration": session.credentials,
    }
    assert (await client.invoke(GET_HEALTH, nodes))["id"] == "cluster_health"
    made = await client.create(KUBECONFIG, "kubeconfig", session.at(FIRST, str(PLAN.virtual_ip)))
    assert made.resource_id == "green"
    assert made.plain("kubernetesClientConfiguration")["host"] == "https://10.0.30.30:6443"
    for name in ("kubeconfigRaw", "kubernetesClientConfiguration", "clientConfiguration"):
        assert isinstance(made.properties[name], wire.Secret)
    talosconfig = await client.invoke(
        GET_TALOSCONFIG,
        {
            "clusterName": "green",
            "clientConfiguration": session.credentials,
            "endpoints": [str(FIRST.address)],
            "nodes": [str(FIRST.address)],
        },
    )
    assert "context: green" in str(wire.reveal(talosconfig["talosConfig"]))


async def test_nothing_changes_when_nothing_changed(client: ProviderClient, session: Session) -> None:
    applied = await session.apply(FIRST)
    assert not (await client.diff(applied, applied.inputs)).diffs
    again = await client.read(applied)
    assert again is not None
    assert wire.reveal_all(again.properties) == wire.reveal_all(applied.properties)
    assert not (await client.diff(again, applied.inputs)).diffs


async def test_a_changed_configuration_is_an_update(client: ProviderClient, session: Session) -> None:
    applied = await session.apply(WORKER)
    changed = await session.apply_inputs(WORKER, '{"machine": {"nodeLabels": {"added": "later"}}}')
    difference = await client.diff(applied, changed)
    assert list(difference.diffs) == ["machineConfigurationInput"]
    assert not difference.replaces
    updated = await client.update(applied, changed)
    assert updated.properties["machineConfigurationHash"] != applied.properties["machineConfigurationHash"]


async def test_refresh_sees_a_machine_that_was_made_anew(
    client: ProviderClient, session: Session, machines: Machines
) -> None:
    applied = await session.apply(WORKER)
    machines.switch_off(WORKER)
    assert await client.read(applied) is not None
    machines.switch_on(WORKER)
    machines.make_anew(WORKER)
    assert await client.read(applied) is None


async def test_refresh_sees_a_cluster_that_was_lost(
    client: ProviderClient, session: Session, machines: Machines
) -> None:
    await session.apply(FIRST)
    bootstrap = await client.create(BOOTSTRAP, "bootstrap", session.at(FIRST))
    assert await client.read(bootstrap) is not None
    machines.make_anew(FIRST)
    assert await client.read(bootstrap) is None


async def test_second_bootstrap_is_refused(client: ProviderClient, session: Session) -> None:
    await session.apply(FIRST)
    await client.create(BOOTSTRAP, "bootstrap", session.at(FIRST))
    assert "AlreadyExists" in await refusal(client.create(BOOTSTRAP, "again", session.at(FIRST)))


async def test_bootstrap_of_an_interrupted_run_is_taken_over(
    client: ProviderClient, session: Session, store: Store
) -> None:
    await session.apply(FIRST)
    made = await client.create(BOOTSTRAP, "bootstrap", session.at(FIRST))
    noted = store.get(JOURNAL, made.urn)
    assert noted is not None
    found = await client.import_(BOOTSTRAP, "bootstrap", noted["id"])
    assert found is not None
    completed = await client.update(found, session.at(FIRST))
    assert completed.properties["endpoint"] == str(FIRST.address)
    assert await client.read(completed) is not None


async def test_bare_machine_is_wiped_when_its_configuration_is_destroyed(
    client: ProviderClient, session: Session
) -> None:
    kept = await session.apply(NOSE)
    await client.delete(kept)
    assert await client.read(kept) is not None
    given_back = await session.apply(NOSE, onDestroy={"reset": True, "graceful": False, "reboot": True})
    await client.delete(given_back)
    assert await client.read(given_back) is None


async def test_bad_patch_is_refused_where_the_configuration_is_made(session: Session) -> None:
    message = await refusal(session.configuration(WORKER, '{"machine": {"instal": {}}}'))
    assert "no machine configuration for cluster green" in message
    assert "unknown keys found during decoding" in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"endpoin": "10.0.30.60"}, "endpoin: is not a property here; did you mean `endpoint`?"),
        ({"applyMode": "now"}, "must be one of auto, reboot, no_reboot, staged, staged_if_needing_reboot, not `now`"),
        ({"applyMode": "staged"}, "`staged` is not emulated"),
        ({"machineConfigurationInputWo": "x"}, "write-only inputs are not emulated"),
        ({"onDestroy": {"reset": "yes"}}, "onDestroy.reset: must be a boolean"),
    ],
    ids=["unknown", "mode", "staged", "write-only", "type"],
)
async def test_inputs_are_checked(client: ProviderClient, changes: dict[str, wire.Value], reason: str) -> None:
    inputs: dict[str, wire.Value] = {
        "node": "10.0.30.70", "clientConfiguration": wire.UNKNOWN, "machineConfigurationInput": wire.UNKNOWN,
    }  # fmt: skip
    await client.check(APPLY, "configuration", inputs)
    with pytest.raises(RefusedError) as refused:
        await client.check(APPLY, "configuration", {**inputs, **changes})
    assert reason in str(refused.value)


async def test_what_is_not_emulated_says_so(client: ProviderClient) -> None:
    message = await refusal(client.invoke("talos:machine/getDisks:getDisks", {}))
    assert "the twin does not emulate the function talos:machine/getDisks:getDisks" in message


async def test_injected_faults_strike(client: ProviderClient, session: Session, faults: Faults) -> None:
    faults.set(Fault(kind=FaultKind.API_ERROR, target="talos", operation=f"create {APPLY}", status=503))
    assert "talos answered 503" in await refusal(session.apply(WORKER))


async def test_missing_library_is_named(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, port = await serve(Talos(surroundings, cache_directory() / "sdk-types"), 0)
    connected = ProviderClient(port)
    await connected.check(SECRETS, "secrets", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    message = await refusal(connected.create(SECRETS, "secrets", {"talosVersion": "v1.11.3"}))
    assert "talos-machinery is not on PATH" in message
    assert "./lab doctor" in message
    await connected.close()
    await server.stop(None)
