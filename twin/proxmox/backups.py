"""Backup jobs: their definition. Nothing is backed up by them here."""

from twin.proxmox.hosts import Hosts
from twin.proxmox.parameters import IDENTIFIER, Schema, Values, boolean, choice, integer, text, unsupported, words
from twin.proxmox.privileges import Privilege
from twin.proxmox.properties import PropertyString
from twin.proxmox.records import Record, Records
from twin.proxmox.refusal import RefusalError, failed, wrong_parameters
from twin.proxmox.routing import Call, Endpoint, Json, needs
from twin.proxmox.storages import Storages
from twin.store import Store

_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"(?:\*|\d{1,2})(?:[:/,\-\d.*]|\.\.)*"
_DAYS = rf"{_DAY}(?:(?:\.\.|,){_DAY})*"
_SCHEDULE = rf"(?:{_DAYS}\s+)?{_TIME}|{_DAYS}|minutely|hourly|daily|weekly|monthly|yearly"
_KEEP = ("keep-all", "keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly")
_SETTINGS = (
    boolean("enabled"),
    boolean("all"),
    boolean("repeat-missed"),
    boolean("protected"),
    boolean("remove"),
    boolean("stdexcludes"),
    text("node"),
    text("vmid"),
    text("exclude"),
    text("pool"),
    choice("mode", "snapshot", "suspend", "stop"),
    choice("compress", "0", "1", "gzip", "lzo", "zstd"),
    text("prune-backups"),
    text("notes-template"),
    text("mailto"),
    choice("mailnotification", "always", "failure"),
    integer("bwlimit", minimum=0),
    integer("ionice", minimum=0, maximum=8),
    integer("lockwait", minimum=0),
    integer("stopwait", minimum=0),
    integer("zstd", minimum=0),
    integer("pigz", minimum=0),
    text("comment"),
    *(unsupported(name) for name in ("script", "tmpdir", "exclude-path", "fleecing", "performance", "maxfiles",
                                     "starttime", "dow", "pbs-change-detection-mode")),
)
_REMOVABLE = frozenset({parameter.name for parameter in _SETTINGS})
_SELECTION = ("vmid", "all", "pool")


class BackupJob(Record):
    """A backup job: its settings as the API shows them."""

    id: str
    settings: dict[str, str | int | float | bool]


class Backups:
    """All backup jobs and their calls."""

    def __init__(self, store: Store, hosts: Hosts, storages: Storages) -> None:
        self._records = Records(store, "backup-jobs", BackupJob)
        self._hosts = hosts
        self._storages = storages

    def forget_guest(self, vmid: int) -> None:
        """Remove a destroyed guest from the jobs that name it."""
        for job in self._records.all():
            named = words(job.settings, "vmid")
            if str(vmid) in named:
                left = ",".join(name for name in named if name != str(vmid))
                self._records.put(job.id, job.model_copy(update={"settings": {**job.settings, "vmid": left}}))

    def endpoints(self) -> list[Endpoint]:
        """Everything below `/cluster/backup`."""
        audit, modify = needs("/", Privilege.SYS_AUDIT), needs("/", Privilege.SYS_MODIFY)
        return [
            Endpoint("GET", "/cluster/backup", self._list, audit),
            Endpoint("POST", "/cluster/backup", self._create, modify, Schema((
                text("id", pattern=IDENTIFIER), text("schedule", required=True, pattern=_SCHEDULE),
                text("storage", required=True), *_SETTINGS,
            ))),
            Endpoint("GET", "/cluster/backup/{id}", self._read, audit),
            Endpoint("PUT", "/cluster/backup/{id}", self._update, modify, Schema((
                text("schedule", pattern=_SCHEDULE), text("storage"), text("delete"), *_SETTINGS,
            ))),
            Endpoint("DELETE", "/cluster/backup/{id}", self._delete, modify),
        ]

    def _list(self, call: Call) -> Json:
        del call
        return [_describe(job) for job in self._records.all()]

    def _create(self, call: Call) -> Json:
        name = str(call.values.get("id") or f"backup-{len(self._records.all()) + 1}")
        if self._records.get(name) is not None:
            raise failed(f"Job '{name}' already exists")
        settings: Values = {"enabled": True, **{n: v for n, v in call.values.items() if n != "id"}}
        self._check(settings)
        self._records.put(name, BackupJob(id=name, settings=settings))
        return None

    def _read(self, call: Call) -> Json:
        return _describe(self._find(call))

    def _update(self, call: Call) -> Json:
        job = self._find(call)
        removed = words(call.values, "delete")
        if unknown := [name for name in removed if name not in _REMOVABLE]:
            raise wrong_parameters({"delete": f"unable to delete required option '{unknown[0]}'"})
        settings = {n: v for n, v in job.settings.items() if n not in removed}
        settings |= {n: v for n, v in call.values.items() if n != "delete"}
        self._check(settings)
        self._records.put(job.id, job.model_copy(update={"settings": settings}))
        return None

    def _delete(self, call: Call) -> Json:
        self._records.delete(self._find(call).id)
        return None

    def _find(self, call: Call) -> BackupJob:
        found = self._records.get(call.path["id"])
        if found is None:
            raise failed(f"No such job '{call.path['id']}': it does not exist")
        return found

    def _check(self, settings: Values) -> None:
        chosen = [name for name in _SELECTION if settings.get(name)]
        if len(chosen) != 1:
            got = ", ".join(chosen) or "none"
            raise wrong_parameters({"vmid": f"exactly one of {', '.join(_SELECTION)} is needed, got {got}"})
        for word in words(settings, "vmid"):
            if not word.isdecimal():
                raise wrong_parameters({"vmid": f"invalid format - unable to parse vm id '{word}'"})
        node = settings.get("node")
        if node is not None and node not in self._hosts.names:
            raise wrong_parameters({"node": f"node '{node}' does not exist"})
        try:
            storage = self._storages.get(str(settings["storage"]))
        except RefusalError as refusal:
            raise wrong_parameters({"storage": refusal.message}) from refusal
        if "backup" not in storage.content:
            raise wrong_parameters({"storage": f"storage '{storage.storage}' does not support content type 'backup'"})
        if "prune-backups" in settings:
            _check_retention(str(settings["prune-backups"]))


def _check_retention(value: str) -> None:
    try:
        keep = PropertyString.parse(value, "keep-all").properties
    except ValueError as error:
        raise wrong_parameters({"prune-backups": f"invalid format - {error}"}) from error
    for name, number in keep.items():
        if name not in _KEEP or not number.isdecimal():
            raise wrong_parameters({"prune-backups": f"invalid format - format error: {name}={number}"})


def _describe(job: BackupJob) -> Json:
    shown = {n: int(v) if isinstance(v, bool) else v for n, v in job.settings.items()}
    return {"id": job.id, "type": "vzdump", **shown}
