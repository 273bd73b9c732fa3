"""The `kubernetes` provider: applies to the cluster that its kubeconfig names, as the published plugin does."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

from twin.kubernetes.api import ApiStatusError, KubernetesApi, Object, ResourceType, UnreachableError
from twin.providers import wire
from twin.providers.differences import Change, changes
from twin.providers.engines import PerStack, Severity
from twin.providers.errors import ApiError, NotReadyError, OutOfReachError, OverdueError
from twin.providers.inputs import Violation, violations
from twin.providers.kinds import JOURNAL, ResourceKind, State, Surroundings, now
from twin.providers.kubernetes import annotations, objects, ownership, paths, releases, replacement, tokens, troubles
from twin.providers.kubernetes.checks import annotation_violations, custom_resource_violations
from twin.providers.kubernetes.clusters import (
    Clients,
    Cluster,
    Settings,
    active_cluster,
    read_settings,
    settings_violations,
)
from twin.providers.kubernetes.comparison import Differing, as_now, differences
from twin.providers.kubernetes.objects import Identity
from twin.providers.kubernetes.readiness import DEFAULT_SECONDS, LOOKED_AT_ON_READ, Status, rule_of
from twin.providers.kubernetes.refusals import EXISTS, no_such_kind, refusals, without_secrets
from twin.providers.kubernetes.waiting import Waiting, status_of
from twin.providers.operation import Operation
from twin.providers.sdk import resource_tokens
from twin.providers.stand_in import Checked, Difference, Resource, StandIn

OBJECT_META_OF: Final = "kubernetes:core/v1:ConfigMap"
"""A type from which the SDK's inputs of `metadata` are taken for custom resources."""
RETRY_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between the attempts to create what needs a namespace or a custom resource definition that is not there."""
ATTEMPTS: Final = 20
ATTEMPT_PAUSE_SECONDS: Final = 0.1
"""To change the managers of an object that controllers write to at the same moment."""
IDENTITY_INPUTS: Final = ("kubeconfig", "context", "cluster")
"""Of the provider: they tell which cluster it is."""
GONE_AT_ONCE: Final = frozenset(
    {"DaemonSet", "Deployment", "Job", "Namespace", "Pod", "ReplicationController", "StatefulSet"}
)
"""Kinds for which `skipAwait` also means not to wait until they are gone."""


class Kubernetes(StandIn):
    """The `kubernetes` provider."""

    name = "kubernetes"
    sdk = "pulumi_kubernetes"

    def __init__(self, surroundings: Surroundings, cache: Path) -> None:
        self._declared = frozenset(token for token in resource_tokens(self.sdk) if tokens.is_object(token))
        super().__init__(surroundings, cache)
        self._tools = cache.parent
        self._clients = Clients()
        self._clusters: PerStack[Cluster] = PerStack()

    @property
    def all_tokens(self) -> tuple[str, ...]:
        """Every type that the SDK describes, and the provider itself; custom resources are not among them."""
        return (*sorted(self._declared), self.provider_token)

    def kinds(self, surroundings: Surroundings) -> Iterable[ResourceKind]:
        """None by name: the API server knows the kinds."""
        del surroundings
        return ()

    def configuration_violations(self, configuration: State) -> Iterable[Violation]:
        """What the twin cannot do; and a cluster must be named, since the daemon has no kubeconfig of its own."""
        if not configuration.get("kubeconfig"):
            yield Violation("kubeconfig", "is required on the twin: it uses no cluster of the environment")
        yield from settings_violations(configuration)

    async def diff_configuration(self, old: wire.Properties, new: wire.Properties) -> Difference:
        """Another cluster replaces the provider, and with it all that it made.

        Which cluster it is, `clusterIdentifier` says; without one, how the kubeconfig reaches it.
        """
        found = tuple(changes(old, new))
        before, after = (wire.reveal(value.get("clusterIdentifier")) for value in (old, new))
        if not found or (before is not None and before == after):
            return Difference(found)
        replaces = ["clusterIdentifier"] if before is not None and after is not None else []
        unknown = [name for name in IDENTITY_INPUTS if wire.has_unknown(new.get(name))]
        if unknown:
            return Difference(found, (*replaces, *unknown))
        was, becomes = active_cluster(wire.reveal_all(old)), active_cluster(wire.reveal_all(new))
        if was is not None and becomes is not None and was != becomes:
            names = {change.property_name for change in found}
            replaces += [name for name in IDENTITY_INPUTS if name in names]
        return Difference(found, tuple(replaces))

    async def configure(self, operation: Operation, given: wire.Properties) -> None:
        """Take the configuration, and ask the cluster once whether it is there."""
        await super().configure(operation, given)
        settings = read_settings(self.configuration(operation))
        self._clusters.set(operation, await self._clients.connect(settings))

    async def close(self) -> None:
        """Let go of every connection."""
        await self._clients.close()
        await super().close()

    async def check(self, operation: Operation, seed: bytes, old: wire.Properties, new: wire.Properties) -> Checked:
        """The inputs with name and namespace, and what the SDK's types or the annotations do not allow."""
        tokens.refuse_others(operation.token, new)
        cluster = self._cluster(operation)
        inputs = {name: objects.without_nulls(value) for name, value in new.items() if value is not None}
        if operation.token == releases.TOKEN:
            inputs = releases.named(inputs, old, operation.name, seed, cluster.namespace)
        found = tuple(await self._type_violations(operation.token, inputs))
        if found:
            return Checked(inputs, found)
        if operation.token == releases.TOKEN:
            return Checked(inputs, tuple(releases.violations(_known(inputs))))
        inputs = objects.named(inputs, old, operation.name, seed)
        inputs = await _placed(inputs, cluster, told=True)
        return Checked(objects.sealed_secret(inputs, objects.is_secret(inputs)), tuple(annotation_violations(inputs)))

    async def diff(
        self, operation: Operation, outputs: wire.Properties, old: wire.Properties, new: wire.Properties
    ) -> Difference:
        """What changed between the inputs; the cluster is not asked unless `replaceUnready` wants it."""
        cluster = self._cluster(operation)
        ignored = _ignored(operation)
        if operation.token == releases.TOKEN:
            found = differences(old, new, ignored)
            replacing = tuple(one for one in found if one.path[0] in ("name", "namespace"))
            return Difference(_changes(found), tuple(paths.written(one.path) for one in replacing))
        old, new = await _placed(old, cluster, told=False), await _placed(new, cluster, told=False)
        body = wire.reveal_all(new)
        found = differences(old, new, ignored)
        replacing = replacement.replacing(
            found,
            body,
            mutable_secrets=cluster.settings.enable_secret_mutable,
            mutable_config_maps=cluster.settings.enable_config_map_mutable,
        )
        replaces = tuple(paths.written(one.path) for one in replacing)
        if not replaces and annotations.is_true(body, annotations.REPLACE_UNREADY):
            replaces = await self._unready(operation, cluster, outputs)
        return Difference(_changes(found), replaces, bool(replaces) and _must_go_first(wire.reveal_all(old), body))

    async def preview_create(self, operation: Operation, inputs: wire.Properties) -> wire.Properties:
        """What the API server would make of it, as far as it can be asked yet."""
        cluster = self._cluster(operation)
        if operation.token == releases.TOKEN:
            return {**inputs, "status": wire.UNKNOWN, "resourceNames": wire.UNKNOWN}
        asked = await self._askable(operation, cluster, inputs)
        if asked is None:
            return inputs
        api, resource_type = asked
        body = objects.sent(inputs)
        namespace = _namespace_of(resource_type, body, cluster)
        manager = ownership.field_manager(body, {})
        async with refusals(operation, "would not be created", inputs):
            try:
                if cluster.settings.upsert_existing_objects and body["metadata"].get("name"):
                    made = await api.apply(
                        resource_type, namespace, body["metadata"]["name"], body,
                        field_manager=manager, force=True, dry_run=True,
                    )  # fmt: skip
                else:
                    made = await api.create(resource_type, namespace, body, field_manager=manager, dry_run=True)
            except ApiStatusError as error:
                # What is missing may come with this very run, and what exists may go with it.
                if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN) or error.reason == "AlreadyExists":
                    return inputs
                raise
        planned = objects.outputs(made, inputs, manager)
        return {name: value for name, value in planned.items() if name != "status"}

    async def preview_update(
        self, operation: Operation, inputs: wire.Properties, old: wire.Properties
    ) -> wire.Properties:
        """What the API server would make of it, as far as it can be asked yet."""
        cluster = self._cluster(operation)
        if operation.token == releases.TOKEN:
            return {**old, **inputs, "status": wire.UNKNOWN}
        asked = await self._askable(operation, cluster, inputs)
        if asked is None:
            return inputs
        api, resource_type = asked
        body = objects.sent(inputs)
        before = wire.reveal(old.get("metadata"))
        name = before.get("name") if isinstance(before, dict) else None
        identity = Identity(_namespace_of(resource_type, body, cluster), str(name or body["metadata"].get("name")))
        async with refusals(operation, "would not be updated", inputs):
            live = await api.get(resource_type, identity.namespace, identity.name)
            if live is None:
                return inputs
            manager = ownership.field_manager(body, old, live)
            body = ownership.without_others_fields(body, live, _ignored(operation), manager)
            # What a create left behind is taken over before the real apply.
            force = _forces(body, cluster) or ownership.created_by_provider(live)
            try:
                made = await api.apply(
                    resource_type, identity.namespace, identity.name, body,
                    field_manager=manager, force=force, dry_run=True,
                )  # fmt: skip
            except ApiStatusError as error:
                if error.code == HTTPStatus.FORBIDDEN:
                    return inputs
                raise
        return objects.outputs(made, inputs, manager)

    async def create(self, operation: Operation, inputs: wire.Properties) -> Resource:
        """Create the object and wait until it is ready; one that exists is refused, unless the provider upserts."""
        cluster = self._cluster(operation)
        api = self._reached(cluster)
        await self._strike("create", operation)
        if operation.token == releases.TOKEN:
            return await self._install(operation, api, inputs)
        manager = ownership.field_manager(objects.sent(inputs), {})
        resource_type, live = await self._create(operation, cluster, api, inputs, manager)
        live = await self._await_ready(operation, api, resource_type, live, inputs, manager)
        return Resource(objects.identity_of(live).resource_id, objects.outputs(live, inputs, manager), inputs)

    async def update(
        self, operation: Operation, resource_id: str, inputs: wire.Properties, old: wire.Properties
    ) -> wire.Properties:
        """Apply the object and wait until it is ready."""
        cluster = self._cluster(operation)
        api = self._reached(cluster)
        await self._strike("update", operation)
        if operation.token == releases.TOKEN:
            async with refusals(operation, "was not upgraded", inputs):
                return releases.outputs(await releases.upgrade(api, _known(inputs), self._tools), inputs)
        body = objects.sent(inputs)
        async with refusals(operation, "was not updated", inputs):
            resource_type = await api.resource_type(body["apiVersion"], body["kind"])
            if resource_type is None:
                raise no_such_kind(body)
            manager, live = await self._apply(operation, cluster, api, resource_type, resource_id, body, old)
        live = await self._await_ready(operation, api, resource_type, live, inputs, manager)
        return objects.outputs(live, inputs, manager)

    async def delete(self, operation: Operation, resource_id: str, old: wire.Properties) -> None:
        """Delete the object and wait until it is gone."""
        cluster = self._cluster(operation)
        await self._strike("delete", operation)
        if cluster.unreachable and cluster.settings.delete_unreachable and operation.token != releases.TOKEN:
            message = f"the cluster is unreachable ({cluster.unreachable}): only Pulumi forgets the object"
            await self.engines.say(operation, Severity.WARNING, message)
            return
        api = self._reached(cluster, "set `deleteUnreachable` on the provider to forget what was in it")
        identity = objects.read_id(resource_id)
        async with refusals(operation, "was not deleted"):
            if operation.token == releases.TOKEN:
                await releases.uninstall(api, identity.namespace or cluster.namespace, identity.name)
            else:
                await self._delete(operation, api, identity, old)
        self.surroundings.store.delete(JOURNAL, operation.urn)

    async def read(
        self, operation: Operation, resource_id: str, properties: wire.Properties, inputs: wire.Properties
    ) -> Resource | None:
        """The object as it is now, None when it is gone. Without inputs and properties it is an import."""
        cluster = self._cluster(operation)
        await self._strike("read", operation)
        tokens.refuse_others(operation.token, inputs or properties)
        if cluster.unreachable and cluster.settings.delete_unreachable:
            return None
        if cluster.unreachable and cluster.settings.skip_update_unreachable:
            return Resource(resource_id, properties, inputs)
        api = self._reached(cluster, "set `deleteUnreachable` on the provider to forget what was in it")
        identity = objects.read_id(resource_id)
        async with refusals(operation, "was not read"):
            if operation.token == releases.TOKEN:
                return await self._read_release(api, cluster, identity, inputs)
            return await self._read(operation, cluster, api, identity, properties, inputs)

    async def _read(
        self,
        operation: Operation,
        cluster: Cluster,
        api: KubernetesApi,
        identity: Identity,
        properties: wire.Properties,
        inputs: wire.Properties,
    ) -> Resource | None:
        api_version, kind = tokens.kind_of(operation.token, {**properties, **inputs})
        resource_type = await api.resource_type(api_version, kind)
        if resource_type is None:
            return None
        namespace = (identity.namespace or cluster.namespace) if resource_type.namespaced else None
        live = await api.get(resource_type, namespace, identity.name)
        if live is None:
            return None
        found = objects.identity_of(live).resource_id
        manager = ownership.field_manager(live, properties, live)
        if not inputs and not properties:
            told = objects.imported(live, await self._input_names(operation.token))
            return Resource(found, objects.outputs(live, told, manager), told)
        current, outputs = as_now(live, inputs), objects.outputs(live, inputs, manager)
        if kind in LOOKED_AT_ON_READ and annotations.annotation(live, annotations.WAIT_FOR) is None:
            status = await status_of(api, live)
            if not status.ready:
                raise NotReadyError(found, outputs, await _reasons(api, live, status), current)
        return Resource(found, outputs, current)

    async def _read_release(
        self, api: KubernetesApi, cluster: Cluster, identity: Identity, inputs: wire.Properties
    ) -> Resource | None:
        namespace = identity.namespace or cluster.namespace
        release = await releases.find(api, namespace, identity.name)
        if release is None:
            return None
        current = releases.as_now(release, inputs)
        return Resource(f"{namespace}/{identity.name}", releases.outputs(release, current), current)

    async def _install(self, operation: Operation, api: KubernetesApi, inputs: wire.Properties) -> Resource:
        clear = _known(inputs)
        resource_id = f"{clear['namespace']}/{clear['name']}"
        async with refusals(operation, "was not installed", inputs):
            if await releases.find(api, clear["namespace"], clear["name"]) is None:
                self._note(operation, resource_id)
            release = await releases.install(api, clear, self._tools)
        await self.engines.say(operation, Severity.WARNING, releases.not_rendered(clear))
        return Resource(resource_id, releases.outputs(release, inputs), inputs)

    async def _create(
        self, operation: Operation, cluster: Cluster, api: KubernetesApi, inputs: wire.Properties, manager: str
    ) -> tuple[ResourceType, Object]:
        """Create the object; what it needs (a namespace, a definition) may come a little later."""
        body = objects.sent(inputs)
        stopping = self.engines.stopping(operation.connection)
        pauses = iter(RETRY_PAUSES)
        while True:
            async with refusals(operation, "was not created", inputs):
                resource_type = await api.resource_type(body["apiVersion"], body["kind"])
                try:
                    if resource_type is None:
                        raise no_such_kind(body)
                    return resource_type, await self._create_once(operation, cluster, api, resource_type, body, manager)
                except (ApiStatusError, ApiError) as error:
                    code = error.code if isinstance(error, ApiStatusError) else error.status
                    pause = next(pauses, None) if code == HTTPStatus.NOT_FOUND else None
                    if pause is None or stopping.is_set():
                        raise
                    missing = error.args[0]
            await self.engines.say(operation, Severity.INFO, f"again in {pause:g} s: {missing}", passing=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    async def _create_once(
        self,
        operation: Operation,
        cluster: Cluster,
        api: KubernetesApi,
        resource_type: ResourceType,
        body: Object,
        manager: str,
    ) -> Object:
        namespace = _namespace_of(resource_type, body, cluster)
        name: str | None = body["metadata"].get("name")
        if name is None:
            made = await api.create(resource_type, namespace, body, field_manager=manager)
            self._note(operation, objects.identity_of(made).resource_id)
            return made
        resource_id = Identity(namespace, name).resource_id
        if not cluster.settings.upsert_existing_objects and await api.get(resource_type, namespace, name) is not None:
            raise ApiError(HTTPStatus.CONFLICT, f"{body['kind']} {resource_id} already exists. {EXISTS}")
        # Noted before it is done: whoever is killed in between finds out by a read whether it was.
        self._note(operation, resource_id)
        if cluster.settings.upsert_existing_objects:
            force = _forces(body, cluster)
            return await api.apply(resource_type, namespace, name, body, field_manager=manager, force=force)
        return await api.create(resource_type, namespace, body, field_manager=manager)

    async def _apply(
        self,
        operation: Operation,
        cluster: Cluster,
        api: KubernetesApi,
        resource_type: ResourceType,
        resource_id: str,
        body: Object,
        old: wire.Properties,
    ) -> tuple[str, Object]:
        """Apply the object, whoever else writes to it meanwhile. Returns the field manager and the object then."""
        identity = objects.read_id(resource_id)
        for attempt in range(1, ATTEMPTS + 1):
            live = await api.get(resource_type, identity.namespace, identity.name)
            if live is None:
                raise ApiError(
                    HTTPStatus.NOT_FOUND,
                    f"{body['kind']} {resource_id} does not exist; it was removed behind Pulumi's back, a refresh "
                    "sees that",
                )
            manager = ownership.field_manager(body, old, live)
            try:
                previous = ownership.field_manager({}, old, live)
                live = await ownership.take_over(api, resource_type, live, manager, previous)
            except ApiStatusError as error:
                if error.code != HTTPStatus.CONFLICT or attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(ATTEMPT_PAUSE_SECONDS)
                continue
            wanted = ownership.without_others_fields(body, live, _ignored(operation), manager)
            # A definition is replaced as a whole: its schema is one thing.
            force = _forces(body, cluster) or body["kind"] == "CustomResourceDefinition"
            return manager, await api.apply(
                resource_type, identity.namespace, identity.name, wanted, field_manager=manager, force=force
            )
        raise AssertionError("the last attempt either returns or raises")

    async def _await_ready(
        self,
        operation: Operation,
        api: KubernetesApi,
        resource_type: ResourceType,
        live: Object,
        inputs: wire.Properties,
        manager: str,
    ) -> Object:
        """Wait until the object is ready; NotReadyError with the reasons when it does not become so."""
        waiting = Waiting(self.engines, operation, api, resource_type, live)
        status = await waiting.until_ready()
        if status.ready:
            return waiting.live
        raise NotReadyError(
            objects.identity_of(live).resource_id,
            objects.outputs(waiting.live, inputs, manager),
            tuple(without_secrets(why, inputs) for why in await _reasons(api, waiting.live, status)),
        )

    async def _delete(self, operation: Operation, api: KubernetesApi, identity: Identity, old: wire.Properties) -> None:
        api_version, kind = tokens.kind_of(operation.token, old)
        clear = wire.reveal_all(old)
        resource_type = await api.resource_type(api_version, kind)
        live = None
        if resource_type is not None:
            live = await api.get(resource_type, identity.namespace, identity.name)
        if resource_type is None or live is None:
            return
        propagation = annotations.propagation(clear)
        await api.delete(resource_type, identity.namespace, identity.name, propagation=propagation)
        if annotations.is_true(clear, annotations.SKIP_AWAIT) and kind in GONE_AT_ONCE:
            return
        seconds = operation.timeout or annotations.timeout_seconds(clear) or DEFAULT_SECONDS
        waiting = Waiting(self.engines, operation, api, resource_type, live)
        if not await waiting.until_gone(seconds):
            finalizers = ", ".join(waiting.live["metadata"].get("finalizers") or ()) or "none"
            told = [f"its finalizers: {finalizers}", *await troubles.reasons(api, waiting.live)]
            raise OverdueError(f"{kind} {identity.resource_id} is not gone after {seconds:g} s; {'; '.join(told)}")

    async def _unready(self, operation: Operation, cluster: Cluster, outputs: wire.Properties) -> tuple[str, ...]:
        """Why `replaceUnready` replaces a Job: it did not complete."""
        old = wire.reveal_all(outputs)
        api_version, kind = tokens.kind_of(operation.token, old)
        if cluster.client is None or cluster.unreachable or kind != "Job":
            message = f"{annotations.REPLACE_UNREADY} is for Jobs of a cluster that can be asked"
            await self.engines.say(operation, Severity.WARNING, message)
            return ()
        async with refusals(operation, "was not compared"):
            resource_type = await cluster.client.resource_type(api_version, kind)
            if resource_type is None:
                return ()
            identity = objects.identity_of(dict(old))
            live = await cluster.client.get(resource_type, identity.namespace, identity.name)
            rule = None if live is None else rule_of(live)
            ready = live is None or rule is None or (await rule(cluster.client, live)).ready
        return () if ready else (paths.written(("metadata", "annotations", annotations.REPLACE_UNREADY)),)

    async def _askable(
        self, operation: Operation, cluster: Cluster, inputs: wire.Properties
    ) -> tuple[KubernetesApi, ResourceType] | None:
        """The API server and the resource type for a dry run; None when there is nothing to ask yet."""
        if any(wire.has_unknown(value) for value in inputs.values()):
            return None
        if cluster.client is None or cluster.unreachable:
            if not cluster.warned:
                cluster.warned = True
                message = f"the cluster is unreachable, so nothing is checked against it: {cluster.unreachable}"
                await self.engines.say(operation, Severity.WARNING, message)
            return None
        async with refusals(operation, "was not previewed"):
            resource_type = await cluster.client.resource_type(*tokens.kind_of(operation.token, inputs))
        return None if resource_type is None else (cluster.client, resource_type)

    async def _type_violations(self, token: str, inputs: wire.Properties) -> Iterable[Violation]:
        if token in self._declared:
            return violations(await self._types.get(token), inputs)
        return custom_resource_violations(token, await self._types.get(OBJECT_META_OF), inputs)

    async def _input_names(self, token: str) -> frozenset[str] | None:
        """Inputs that the SDK has; None for a custom resource."""
        return frozenset((await self._types.get(token)).inputs.properties) if token in self._declared else None

    def _cluster(self, operation: Operation) -> Cluster:
        found = self._clusters.get(operation)
        return found or Cluster(Settings(), unreachable="the provider was not configured")

    def _reached(self, cluster: Cluster, advice: str = "") -> KubernetesApi:
        if cluster.client is None or cluster.unreachable:
            hint = f"; {advice}" if advice else ""
            raise OutOfReachError(f"configured Kubernetes cluster is unreachable: {cluster.unreachable}{hint}")
        return cluster.client

    def _note(self, operation: Operation, resource_id: str) -> None:
        entry = {"token": operation.token, "id": resource_id, "at": now()}
        self.surroundings.store.put(JOURNAL, operation.urn, entry)


async def _reasons(api: KubernetesApi, live: Object, status: Status) -> tuple[str, ...]:
    where = objects.identity_of(live).resource_id
    headline = f"{live['kind']} {where} is there, but not ready: {status.message}"
    try:
        return (headline, *await troubles.reasons(api, live))
    except UnreachableError:
        return (headline,)


async def _placed(inputs: wire.Properties, cluster: Cluster, *, told: bool) -> wire.Properties:
    """The inputs with the namespace they go to; without one, unless the program `told` it, where the kind has none."""
    metadata = inputs.get("metadata")
    if not isinstance(metadata, dict) or (told and metadata.get("namespace")):
        return inputs
    api_version, kind = inputs.get("apiVersion"), inputs.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return inputs
    others = {name: value for name, value in metadata.items() if name != "namespace"}
    if await cluster.is_namespaced(api_version, kind):
        others["namespace"] = metadata.get("namespace") or cluster.namespace
    return {**inputs, "metadata": others}


def _namespace_of(resource_type: ResourceType, body: Object, cluster: Cluster) -> str | None:
    return (body["metadata"].get("namespace") or cluster.namespace) if resource_type.namespaced else None


def _ignored(operation: Operation) -> tuple[paths.Path, ...]:
    return tuple(paths.read(path) for path in operation.ignored)


def _changes(found: Iterable[Differing]) -> tuple[Change, ...]:
    return tuple(Change(paths.written(one.path), one.kind) for one in found)


def _forces(body: Object, cluster: Cluster) -> bool:
    annotated = annotations.annotation(body, annotations.PATCH_FORCE)
    return cluster.settings.enable_patch_force if annotated is None else annotated == annotations.TRUE


def _must_go_first(old: wire.Properties, new: wire.Properties) -> bool:
    """Whether the replacement has the same name, which the old object must give up."""
    before, after = old.get("metadata"), new.get("metadata")
    if annotations.is_true(new, annotations.AUTONAMED) or not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return bool(after.get("name")) and all(before.get(name) == after.get(name) for name in ("name", "namespace"))


def _known(inputs: wire.Properties) -> State:
    return {name: wire.reveal(value) for name, value in inputs.items() if not wire.has_unknown(value)}
