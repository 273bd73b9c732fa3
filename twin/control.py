"""The daemon's control API: HTTP over a Unix socket that only its owner can open."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from twin.faults import Fault, Faults
from twin.providers.errors import ApiError
from twin.providers.kinds import JOURNAL
from twin.providers.r2 import R2Objects
from twin.store import Collection, Store
from twin.world import World

Answer = Mapping[str, Any] | list[Any]
Tell = Callable[[], Answer]


class Control:
    """Serves what `./lab twin` and the tests ask of a running daemon."""

    def __init__(
        self,
        store: Store,
        world: World,
        faults: Faults,
        *,
        capacity: Tell,
        planes: Tell,
        status: Tell,
    ) -> None:
        self._store = store
        self._world = world
        self._faults = faults
        self._capacity = capacity
        self._planes = planes
        self._status = status
        self._objects = R2Objects(store)
        self._runner: web.AppRunner | None = None

    async def start(self, path: Path) -> None:
        """Listen on the socket."""
        application = web.Application(middlewares=[_explained])
        application.add_routes(
            [
                web.get("/status", self._get_status),
                web.get("/machines", self._get_machines),
                web.get("/capacity", self._get_capacity),
                web.get("/planes", self._get_planes),
                web.get("/faults", self._get_faults),
                web.post("/faults", self._post_fault),
                web.delete("/faults", self._delete_faults),
                web.post("/created", self._post_created),
                web.get("/documents", self._get_documents),
                web.patch("/documents", self._patch_document),
                web.delete("/documents", self._delete_document),
                web.post("/objects", self._post_object),
                web.delete("/objects", self._delete_object),
            ]
        )
        _make_room(path)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        # The daemon's umask makes the socket its owner's alone.
        await web.UnixSite(self._runner, str(path)).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_status(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._status())

    async def _get_machines(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(
            [
                {
                    "name": machine.name,
                    "host": machine.host,
                    "address": str(machine.address),
                    "image": machine.image,
                    "pci_mappings": list(machine.pci_mappings),
                    "tags": list(machine.tags),
                }
                for machine in self._world.machines()
            ]
        )

    async def _get_capacity(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._capacity())

    async def _get_planes(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._planes())

    async def _get_faults(self, request: web.Request) -> web.Response:
        del request
        return web.json_response([fault.model_dump(mode="json") for fault in self._faults.all()])

    async def _post_fault(self, request: web.Request) -> web.Response:
        fault = Fault.model_validate_json(await request.read())
        self._faults.set(fault)
        return web.json_response({"key": fault.key})

    async def _delete_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"cleared": self._faults.clear(request.query.get("key"))})

    async def _post_created(self, request: web.Request) -> web.Response:
        """What the last create of each URN made. The URNs are in the body: there can be too many for an address."""
        entries = {urn: self._store.get(JOURNAL, urn) for urn in await request.json()}
        return web.json_response({urn: entry for urn, entry in entries.items() if entry is not None})

    async def _get_documents(self, request: web.Request) -> web.Response:
        return web.json_response(dict(self._store.items(_collection(request))))

    async def _patch_document(self, request: web.Request) -> web.Response:
        """Change a document behind Pulumi's back; top-level values are merged one level deep."""
        collection, key = _collection(request), request.query["key"]
        document = self._store.get(collection, key)
        if document is None:
            raise ApiError(404, f"{collection} has no {key}; it has {_keys(self._store, collection)}")
        for name, value in (await request.json()).items():
            old = document.get(name)
            document[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        self._store.put(collection, key, document)
        return web.json_response(document)

    async def _delete_document(self, request: web.Request) -> web.Response:
        """Remove a document behind Pulumi's back."""
        collection, key = _collection(request), request.query["key"]
        if not self._store.delete(collection, key):
            raise ApiError(404, f"{collection} has no {key}; it has {_keys(self._store, collection)}")
        return web.json_response({"removed": key})

    async def _post_object(self, request: web.Request) -> web.Response:
        """Upload an object to an R2 bucket, as a backup job would."""
        body = await request.json()
        self._objects.put(body["bucket"], body["key"], size_bytes=int(body["size_bytes"]))
        return web.json_response({"objects": self._objects.all(body["bucket"])})

    async def _delete_object(self, request: web.Request) -> web.Response:
        bucket = request.query["bucket"]
        self._objects.delete(bucket, request.query["key"])
        return web.json_response({"objects": self._objects.all(bucket)})


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to somebody else; remove it or choose another directory")
    path.unlink(missing_ok=True)


def _collection(request: web.Request) -> Collection:
    return Collection(request.query["collection"])


def _keys(store: Store, collection: Collection) -> str:
    return ", ".join(key for key, _ in store.items(collection)) or "none"


@web.middleware
async def _explained(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response({"error": str(error.args[0])}, status=error.status)
    except KeyError as error:
        return web.json_response({"error": f"{error} is missing"}, status=400)
    except (ValidationError, json.JSONDecodeError) as error:
        return web.json_response({"error": str(error)}, status=400)
