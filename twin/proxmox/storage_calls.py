"""API calls about storages and the files on them."""

import re
import uuid
from collections.abc import Callable

from twin.proxmox.hosts import Hosts
from twin.proxmox.internet import DownloadError, Internet, RemoteFile, decompress, verify
from twin.proxmox.parameters import IDENTIFIER, Schema, Values, boolean, choice, integer, text, unsupported, words
from twin.proxmox.privileges import Privilege
from twin.proxmox.refusal import failed, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json, needs, needs_any
from twin.proxmox.storages import (
    ALLOWED_CONTENT,
    DEFAULT_CONTENT,
    FILE_BASED,
    StorageConfiguration,
    Storages,
    StorageType,
    Volume,
)
from twin.proxmox.tasks import Journal, Task, TaskFailedError, Tasks, Work

_COMMON = (text("content"), text("nodes"), boolean("disable"), boolean("shared"))
_BACKUPS = (text("prune-backups"), integer("max-protected-backups", minimum=-1))
_OWN: dict[StorageType, tuple[str, ...]] = {
    StorageType.LVM: ("vgname", "saferemove"),
    StorageType.PBS: ("server", "datastore", "username", "password", "namespace", "fingerprint"),
    StorageType.DIRECTORY: ("path", "create-base-path", "create-subdirs", "preallocation"),
    StorageType.NFS: ("server", "export", "options", "preallocation", "create-base-path", "create-subdirs"),
    StorageType.CIFS: (
        "server", "share", "username", "password", "domain", "subdir", "options", "preallocation", "create-base-path",
        "create-subdirs",
    ),
}
_REQUIRED: dict[StorageType, tuple[str, ...]] = {
    StorageType.LVM: ("vgname",),
    StorageType.PBS: ("server", "datastore", "username"),
    StorageType.DIRECTORY: ("path",),
    StorageType.NFS: ("server", "export"),
    StorageType.CIFS: ("server", "share"),
}
_FIXED = frozenset({"vgname", "server", "datastore", "path", "export", "share"})
"""Options that cannot be changed afterwards."""
_SECRET = frozenset({"password"})
_OPTIONS = (
    text("vgname"),
    boolean("saferemove"),
    text("server"),
    text("datastore"),
    text("username"),
    text("password"),
    text("namespace"),
    text("fingerprint", pattern=r"([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}"),
    text("path", pattern=r"/.*"),
    text("export", pattern=r"/.*"),
    text("share"),
    text("domain"),
    text("subdir"),
    text("options"),
    choice("preallocation", "default", "off", "metadata", "falloc", "full"),
    boolean("create-base-path"),
    boolean("create-subdirs"),
    *_BACKUPS,
    unsupported("encryption-key"),
    unsupported("snapshot-as-volume-chain"),
)
_CREATE = Schema((
    text("storage", required=True, pattern=IDENTIFIER),
    choice("type", *(t for t in StorageType if t is not StorageType.CEPHFS), required=True),
    *_COMMON,
    *_OPTIONS,
))
_UPDATE = Schema((*_COMMON, *_OPTIONS, text("delete"), text("digest")))
_FILE_NAMES = {
    "iso": r"[^/]+\.(?:iso|img)",
    "vztmpl": r"[^/]+\.tar\.(?:gz|xz|zst|bz2)",
    "import": r"[^/]+\.(?:ova|qcow2|raw|vmdk)",
}
_DOWNLOAD = Schema((
    text("url", required=True, pattern=r"https?://.*"),
    choice("content", *_FILE_NAMES, required=True),
    text("filename", required=True),
    text("node"),
    text("storage"),
    text("checksum", pattern=r"[0-9a-fA-F]+"),
    choice("checksum-algorithm", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    choice("compression", "gz", "lzo", "zst", "bz2"),
    boolean("verify-certificates"),
))


class StorageCalls:
    """The calls and the tasks behind them."""

    def __init__(
        self, hosts: Hosts, storages: Storages, tasks: Tasks, internet: Internet, answers: Callable[[str], bool]
    ) -> None:
        """`answers` says whether a machine of the lab answers at an address."""
        self._hosts = hosts
        self._storages = storages
        self._tasks = tasks
        self._internet = internet
        self._answers = answers
        self._found: dict[str, RemoteFile] = {}
        tasks.register("download", Work(effect=self._store_download, prepare=self._find_download))
        tasks.register("imgdel", Work(effect=self._remove_volume))

    def endpoints(self) -> list[Endpoint]:
        """Everything below `/storage` and `/nodes/{node}/storage`."""
        audit = needs_any(
            "/storage/{storage}", Privilege.DATASTORE_AUDIT, Privilege.DATASTORE_ALLOCATE_SPACE,
            Privilege.DATASTORE_ALLOCATE,
        )
        allocate = needs("/storage", Privilege.DATASTORE_ALLOCATE)
        return [
            Endpoint("GET", "/storage", self._list, ANYONE, Schema((text("type"),))),
            Endpoint("POST", "/storage", self._create, allocate, _CREATE),
            Endpoint("GET", "/storage/{storage}", self._read,
                     needs("/storage/{storage}", Privilege.DATASTORE_ALLOCATE)),
            Endpoint("PUT", "/storage/{storage}", self._update, allocate, _UPDATE),
            Endpoint("DELETE", "/storage/{storage}", self._delete, allocate),
            Endpoint("GET", "/nodes/{node}/storage", self._list_on_node, ANYONE, Schema((
                text("content"), boolean("enabled"), boolean("format"), text("storage"), unsupported("target"),
            ))),
            Endpoint("GET", "/nodes/{node}/storage/{storage}/status", self._status, audit),
            Endpoint("GET", "/nodes/{node}/storage/{storage}/content", self._content, audit,
                     Schema((text("content"), integer("vmid", minimum=100)))),
            Endpoint("GET", "/nodes/{node}/storage/{storage}/content/{volume}", self._volume, audit),
            Endpoint("DELETE", "/nodes/{node}/storage/{storage}/content/{volume}", self._delete_volume, ANYONE,
                     Schema((integer("delay", minimum=1, maximum=30),))),
            Endpoint("POST", "/nodes/{node}/storage/{storage}/download-url", self._download,
                     needs("/storage/{storage}", Privilege.DATASTORE_ALLOCATE_TEMPLATE), _DOWNLOAD),
            Endpoint("GET", "/nodes/{node}/query-url-metadata", self._look_up_url, ANYONE,
                     Schema((text("url", required=True, pattern=r"https?://.*"), boolean("verify-certificates")))),
        ]

    def _list(self, call: Call) -> Json:
        wanted = call.values.get("type")
        return [
            _describe(c)
            for c in self._storages.configurations.all()
            if wanted in (None, c.type)
            and call.may(f"/storage/{c.storage}", Privilege.DATASTORE_AUDIT, Privilege.DATASTORE_ALLOCATE_SPACE)
        ]

    def _create(self, call: Call) -> Json:
        name = str(call.values["storage"])
        if self._storages.configurations.get(name) is not None:
            raise failed(f"create storage failed: storage ID '{name}' already defined")
        kind = StorageType(str(call.values["type"]))
        own = {n: v for n, v in call.values.items() if n not in ("storage", "type")}
        missing = {n: "property is missing and it is not optional" for n in _REQUIRED[kind] if n not in own}
        if missing:
            raise wrong_parameters(missing)
        configuration = StorageConfiguration(storage=name, type=kind, content=DEFAULT_CONTENT[kind])
        configuration = self._apply(configuration, own, creating=True)
        self._activate(configuration)
        self._storages.configurations.put(name, configuration)
        return {"storage": name, "type": kind.value, "config": {}}

    def _read(self, call: Call) -> Json:
        return _describe(self._storages.get(call.path["storage"]))

    def _update(self, call: Call) -> Json:
        name = call.path["storage"]
        configuration = self._storages.get(name)
        changes = {n: v for n, v in call.values.items() if n not in ("delete", "digest")}
        configuration = self._apply(configuration, changes, creating=False)
        for removed in words(call.values, "delete"):
            if removed == "nodes":
                configuration = configuration.model_copy(update={"nodes": ()})
            elif removed == "content":
                configuration = configuration.model_copy(update={"content": DEFAULT_CONTENT[configuration.type]})
            elif removed in ("disable", "shared"):
                configuration = configuration.model_copy(update={removed: False})
            elif removed in _FIXED:
                raise wrong_parameters({"delete": f"unable to delete required option '{removed}'"})
            else:
                options = {n: v for n, v in configuration.options.items() if n != removed}
                configuration = configuration.model_copy(update={"options": options})
        self._storages.configurations.put(name, configuration)
        return {"storage": name, "type": configuration.type.value, "config": {}}

    def _delete(self, call: Call) -> Json:
        name = call.path["storage"]
        self._storages.get(name)
        self._storages.configurations.delete(name)
        return None

    def _apply(self, configuration: StorageConfiguration, changes: Values, *, creating: bool) -> StorageConfiguration:
        kind = configuration.type
        allowed = {*_OWN.get(kind, ()), "content", "nodes", "disable", "shared", "prune-backups",
                   "max-protected-backups"}
        wrong = {n: f"unexpected property '{n}' for storage type '{kind}'" for n in changes if n not in allowed}
        if not creating:
            wrong |= {n: f"can't change value of fixed parameter '{n}'" for n in changes if n in _FIXED}
        if wrong:
            raise wrong_parameters(wrong)
        content = tuple(words(changes, "content")) or configuration.content
        if unfit := sorted(set(content) - ALLOWED_CONTENT[kind]):
            raise wrong_parameters({"content": f"storage does not support content type '{unfit[0]}'"})
        nodes = tuple(words(changes, "nodes")) or configuration.nodes
        for node in nodes:
            if node not in self._hosts.names:
                raise wrong_parameters({"nodes": f"node '{node}' does not exist"})
        own = {n: v for n, v in changes.items() if n not in ("content", "nodes", "disable", "shared")}
        options = {n: v for n, v in own.items() if n not in _SECRET}
        return configuration.model_copy(update={
            "content": content,
            "nodes": nodes,
            "disable": bool(changes.get("disable", configuration.disable)),
            "shared": bool(changes.get("shared", configuration.shared)),
            "options": {**configuration.options, **options},
        })

    def _activate(self, configuration: StorageConfiguration) -> None:
        if configuration.type is StorageType.LVM:
            group = configuration.options["vgname"]
            groups = {s.volume_group for s in self._hosts.lab.storages}
            if group not in groups:
                raise failed(f"create storage failed: no such volume group '{group}'")
        if not configuration.disable and not self._is_active(configuration):
            server = configuration.options["server"]
            name = configuration.storage
            raise failed(f"create storage failed: {name}: Can't connect to {server} (No route to host)")

    def _is_active(self, configuration: StorageConfiguration) -> bool:
        server = configuration.options.get("server")
        return not configuration.disable and (server is None or self._answers(str(server)))

    def _list_on_node(self, call: Call) -> Json:
        node = call.path["node"]
        self._hosts.reach(node)
        content = set(words(call.values, "content"))
        enabled = bool(call.values.get("enabled", False))
        name = call.values.get("storage")
        return [
            {"storage": c.storage, **self._room(c, node)}
            for c in self._storages.on(node)
            if (not content or content & set(c.content))
            and not (enabled and c.disable)
            and name in (None, c.storage)
            and call.may(f"/storage/{c.storage}", Privilege.DATASTORE_AUDIT, Privilege.DATASTORE_ALLOCATE_SPACE)
        ]

    def _status(self, call: Call) -> Json:
        return self._room(self._on_node(call), call.path["node"])

    def _room(self, configuration: StorageConfiguration, node: str) -> Json:
        active = self._is_active(configuration)
        total = self._storages.total(configuration, node) if active else 0
        used = min(total, self._storages.used(configuration, node)) if active else 0
        if self._hosts.faults.disk_is_full(node, configuration.storage):
            used = total
        return {
            "type": configuration.type.value,
            "content": ",".join(configuration.content),
            "enabled": int(not configuration.disable),
            "active": int(active),
            "shared": int(configuration.is_shared),
            "total": total,
            "used": used,
            "avail": total - used,
            "used_fraction": used / total if total else 0.0,
        }

    def _on_node(self, call: Call) -> StorageConfiguration:
        self._hosts.reach(call.path["node"])
        return self._storages.available(call.path["storage"], call.path["node"])

    def _content(self, call: Call) -> Json:
        configuration = self._on_node(call)
        content = call.values.get("content")
        guest = call.values.get("vmid")
        return [
            _describe_volume(volume)
            for volume in self._storages.volumes_on(configuration.storage, call.path["node"])
            if content in (None, volume.content) and guest in (None, volume.guest)
        ]

    def _volume(self, call: Call) -> Json:
        volume = self._find_volume(call)
        return {
            "path": f"/dev/{volume.storage}/{volume.name}",
            "format": volume.format,
            "size": volume.size,
            "used": volume.stored,
        }

    def _find_volume(self, call: Call) -> Volume:
        configuration = self._on_node(call)
        wanted = call.path["volume"]
        volume_id = wanted if ":" in wanted else f"{configuration.storage}:{wanted}"
        volume = self._storages.volume(volume_id, call.path["node"])
        if volume is None:
            raise failed(f"volume '{volume_id}' does not exist")
        return volume

    def _delete_volume(self, call: Call) -> Json:
        volume = self._find_volume(call)
        if volume.guest is None:
            call.require(f"/storage/{volume.storage}", Privilege.DATASTORE_ALLOCATE)
        else:
            call.require(f"/storage/{volume.storage}", Privilege.DATASTORE_ALLOCATE_SPACE)
            call.require(f"/vms/{volume.guest}", Privilege.VM_CONFIG_DISK)
        return self._tasks.add(
            call.path["node"], "imgdel", volume.volume_id, call.principal.name, {"volume": volume.volume_id}
        )

    def _remove_volume(self, task: Task, journal: Journal) -> None:
        volume = self._storages.volume(str(task.arguments["volume"]), task.node)
        if volume is None:
            raise TaskFailedError(f"volume '{task.arguments['volume']}' does not exist")
        self._storages.free(volume)
        journal.write(f"Removed volume '{volume.volume_id}'")

    def _download(self, call: Call) -> Json:
        node, values = call.path["node"], call.values
        if not call.may("/", Privilege.SYS_MODIFY):
            call.require(f"/nodes/{node}", Privilege.SYS_ACCESS_NETWORK)
        configuration = self._on_node(call)
        content, name = str(values["content"]), str(values["filename"])
        if configuration.type not in FILE_BASED:
            raise failed(f"can't upload to storage type '{configuration.type}', not a file based storage!")
        if content not in configuration.content:
            raise failed(f"storage '{configuration.storage}' is not configured for content-type '{content}'")
        if not re.fullmatch(_FILE_NAMES[content], name):
            complaint = "invalid filename or wrong extension" if content == "import" else "wrong file extension"
            raise wrong_parameters({"filename": complaint})
        if ("checksum" in values) != ("checksum-algorithm" in values):
            present, absent = ("checksum", "checksum-algorithm")
            if present not in values:
                present, absent = absent, present
            raise wrong_parameters({present: f"missing property - '{present}' requires this property: {absent}"})
        arguments = {n: v for n, v in values.items() if n not in ("node", "storage", "verify-certificates")}
        arguments["storage"] = configuration.storage
        return self._tasks.add(node, "download", name, call.principal.name, {**arguments})

    async def _look_up_url(self, call: Call) -> Json:
        self._hosts.reach(call.path["node"])
        if not call.may("/", Privilege.SYS_AUDIT):
            call.require(f"/nodes/{call.path['node']}", Privilege.SYS_ACCESS_NETWORK)
        try:
            file = await self._internet.find(str(call.values["url"]))
        except DownloadError as error:
            raise failed(f"invalid server response: {error}") from error
        return {"filename": file.name, "mimetype": "application/octet-stream", "size": file.size}

    async def _find_download(self, task: Task, journal: Journal) -> None:
        journal.write(f"downloading {task.arguments['url']}")
        content, compression = str(task.arguments["content"]), task.arguments.get("compression")
        try:
            if compression is not None and content != "iso":
                raise DownloadError(f"decompression not supported for {content}")
            file = await self._internet.find(str(task.arguments["url"]))
            algorithm = task.arguments.get("checksum-algorithm")
            if algorithm is not None:
                verify(file, str(algorithm), str(task.arguments["checksum"]))
                journal.write("OK, checksum verified")
            self._found[task.upid] = file if compression is None else decompress(file, str(compression))
        except DownloadError as error:
            raise TaskFailedError(str(error)) from error

    def _store_download(self, task: Task, journal: Journal) -> None:
        file = self._found.pop(task.upid)
        storage, name = str(task.arguments["storage"]), str(task.arguments["filename"])
        content = str(task.arguments["content"])
        path = f"{content}/{name}"
        if self._storages.volume(f"{storage}:{path}", task.node) is not None:
            raise TaskFailedError(f"refusing to override existing file '{storage}:{path}'")
        configuration = self._storages.take_room(storage, task.node, file.size, f"download of {name}")
        volume = Volume(
            storage=storage, name=path, node=None if configuration.is_shared else task.node, content=content,
            format=name.rsplit(".", 1)[-1], size=file.size, stored=file.size, identity=uuid.uuid4().hex,
            virtual_size=file.virtual_size, image=name,
        )
        self._storages.volumes.put(volume.key, volume)
        journal.write(f"download of '{task.arguments['url']}' to '{volume.volume_id}' finished")


def _describe(configuration: StorageConfiguration) -> Json:
    described: dict[str, str | int] = {
        "storage": configuration.storage,
        "type": configuration.type.value,
        "content": ",".join(configuration.content),
    }
    if configuration.nodes:
        described["nodes"] = ",".join(configuration.nodes)
    if configuration.disable:
        described["disable"] = 1
    if configuration.is_shared:
        described["shared"] = 1
    for name, value in configuration.options.items():
        described[name] = int(value) if isinstance(value, bool) else value
    return described


def _describe_volume(volume: Volume) -> Json:
    described: dict[str, str | int] = {
        "volid": volume.volume_id,
        "content": volume.content,
        "format": volume.format,
        "size": volume.size,
        "used": volume.stored,
    }
    if volume.guest is not None:
        described["vmid"] = volume.guest
    return described
