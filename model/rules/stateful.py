"""I6: what holds data is kept, copied and locked."""

from collections.abc import Collection, Iterator

from model.ceph import PoolApplication, PoolName, StorageContent, StorageKind, StorageName
from model.cluster import NodeRole
from model.configuration import Configuration, source
from model.hardware import HostName, HostRole
from model.lab import Lab
from model.rules.places import Part, place
from model.units import DAY
from model.violation import Rule, Source, Violation

_SHORTEST_ROTATION = DAY
"""Google Cloud KMS refuses to rotate a key more often."""


def stateful(lab: Lab, configuration: Configuration) -> list[Violation]:
    """The offsite bucket locks before it expires, guests are backed up elsewhere, pools keep enough copies.

    That resources are protected and retained on delete is a rule over the registered graph, not over the model.
    """
    return [
        *_bucket(lab),
        *_encryption_key(lab),
        *_backups(lab),
        *_pools(lab),
        *_monitors(lab),
        *_storages(lab),
        *_quorum(lab, configuration),
    ]


def _bucket(lab: Lab) -> Iterator[Violation]:
    bucket = lab.cloud.cloudflare.bucket
    if bucket.lock <= 0:
        yield _violation(
            f"the offsite bucket `{bucket.name}` has no lock: whoever has its key can delete every copy",
            _bucket_place("lock"),
            "lock objects for some days, for example 14",
        )
    if bucket.expire_after <= bucket.lock:
        yield _violation(
            f"the offsite bucket `{bucket.name}` deletes objects after {_days(bucket.expire_after)}, but locks them "
            f"for {_days(bucket.lock)}",
            _bucket_place("expire_after"),
            "let objects expire later than their lock ends",
            _bucket_place("lock"),
        )
    if not 0 < bucket.abort_uploads_after <= bucket.expire_after:
        yield _violation(
            f"the offsite bucket `{bucket.name}` aborts unfinished uploads after {_days(bucket.abort_uploads_after)}; "
            f"that must be more than nothing and at most {_days(bucket.expire_after)}, when objects expire",
            _bucket_place("abort_uploads_after"),
            "7 days is usual",
            _bucket_place("expire_after"),
        )


def _encryption_key(lab: Lab) -> Iterator[Violation]:
    key = lab.cloud.google.encryption_key
    if key.rotation < _SHORTEST_ROTATION:
        yield _violation(
            f"the encryption key `{key.name}` is to rotate every {key.rotation} s; Google Cloud KMS takes "
            f"{_SHORTEST_ROTATION} s or more",
            place(Part.CLOUD, "google", "encryption_key", "rotation"),
            "7776000 s is 90 days",
        )


def _backups(lab: Lab) -> Iterator[Violation]:
    guests = {guest.name: guest for guest in lab.guests}
    storages = {storage.name: storage for storage in lab.storages}
    # A backup storage's own guest cannot be copied into itself.
    keepers = {s.guest for s in lab.storages if s.kind is StorageKind.PROXMOX_BACKUP_SERVER}
    copied: set[str] = set()
    for job in lab.proxmox.backup_jobs:
        where = place(Part.PROXMOX, f"backup_jobs[{job.name}]")
        storage = storages.get(job.storage)
        if storage is not None and StorageContent.BACKUP not in storage.content:
            yield _violation(
                f"backup job {job.name} writes to storage `{storage.name}`, which holds no backups",
                where,
                f"add {StorageContent.BACKUP!s} to the content of `{storage.name}` or name another storage",
                place(Part.STORAGES, "content", item=storage.name),
            )
        if not job.guests:
            yield _violation(f"backup job {job.name} copies no guest", where, "name the guests or remove the job")
        for name in job.guests:
            if storage is not None and storage.guest == name:
                yield _violation(
                    f"backup job {job.name} copies guest {name} to itself: storage `{storage.name}` is served by it",
                    where,
                    f"remove {name} from the job, or write it to another storage",
                    place(Part.STORAGES, "guest", item=storage.name),
                )
            copied.add(name)
    for name in guests:
        if name not in copied and name not in keepers:
            yield _violation(
                f"guest {name} outlives every cluster, but no backup job copies it",
                place(Part.GUESTS, item=name),
                f"add {name} to a backup job",
                place(Part.PROXMOX, "backup_jobs"),
            )


def _pools(lab: Lab) -> Iterator[Violation]:
    hosts = [host.name for host in lab.hosts if host.osd_count > 0]
    for pool in lab.ceph.pools:
        where = place(Part.CEPH, f"pools[{pool.name}]")
        if pool.size > len(hosts):
            yield _violation(
                f"pool {pool.name} keeps {pool.size} copies on different hosts, but only {len(hosts)} have OSDs",
                where,
                f"keep {len(hosts)} copies or fewer, or add OSDs to another host",
                place(Part.HOSTS),
            )
        least = pool.size - pool.size // 2
        if not least <= pool.min_size <= pool.size:
            yield _violation(
                f"pool {pool.name} accepts writes with {pool.min_size} of {pool.size} copies; {least} to {pool.size} "
                "are sound",
                where,
                f"set `min_size` to {least}",
            )
    wanted = (
        ("block_pool", lab.ceph.block_pool, PoolApplication.RBD),
        ("filesystem_data_pool", lab.ceph.filesystem_data_pool, PoolApplication.CEPHFS),
    )
    for field, name, application in wanted:
        yield from _application(lab, field, name, application)


def _application(lab: Lab, field: str, name: PoolName, application: PoolApplication) -> Iterator[Violation]:
    for pool in lab.ceph.pools:
        if pool.name == name and pool.application is not application:
            yield _violation(
                f"{field} `{name}` is a pool for {pool.application}, not for {application}",
                place(Part.CEPH, field),
                f"name a pool whose application is {application}",
                place(Part.CEPH, f"pools[{name}]"),
            )


def _monitors(lab: Lab) -> Iterator[Violation]:
    monitors = lab.ceph.monitors
    where = place(Part.CEPH, "monitors")
    if len(set(monitors)) != len(monitors):
        yield _violation("a host is named twice as Ceph monitor", where, "name each host once")
    elif len(monitors) % 2 == 0:
        yield _violation(
            f"{len(monitors)} Ceph monitors keep a majority after {max(0, (len(monitors) - 1) // 2)} failures, as many "
            f"as {max(1, len(monitors) - 1)} would",
            where,
            "have an odd number of monitors",
        )
    for host in lab.hosts:
        if host.name in monitors and host.role is not HostRole.PROXMOX:
            yield _violation(
                f"Ceph monitor {host.name} is no Proxmox VE host", where, "name Proxmox VE hosts",
                place(Part.HOSTS, "role", item=host.name),
            )  # fmt: skip


def _storages(lab: Lab) -> Iterator[Violation]:
    hypervisors = {host.name for host in lab.hypervisors}
    needs = {
        StorageKind.LVM: ("volume_group",),
        StorageKind.PROXMOX_BACKUP_SERVER: ("guest", "datastore"),
        StorageKind.CEPHFS: (),
    }
    for storage in lab.storages:
        for field in needs[storage.kind]:
            if getattr(storage, field) is None:
                yield _violation(
                    f"storage {storage.name} of kind {storage.kind} has no `{field}`",
                    place(Part.STORAGES, field, item=storage.name),
                    f"give it its `{field}`",
                )
    yield from _holds(lab, "disk_storage", lab.proxmox.disk_storage, {StorageContent.IMAGES})
    yield from _holds(lab, "image_storage", lab.proxmox.image_storage, {StorageContent.ISO, StorageContent.IMPORT})
    running = {node.host for node in lab.cluster.placements if not node.role.is_metal} | {g.host for g in lab.guests}
    for storage in lab.storages:
        absent = sorted((running & hypervisors) - set(storage.hosts))
        if storage.name == lab.proxmox.disk_storage and absent:
            yield _violation(
                f"the disk storage `{storage.name}` is not on {', '.join(absent)}, where guests run",
                place(Part.STORAGES, "hosts", item=storage.name),
                "add the hosts, or name another disk storage",
                place(Part.PROXMOX, "disk_storage"),
            )
        if storage.name == lab.proxmox.image_storage:
            yield from _images(lab, storage.name, storage.hosts, shared=storage.shared, running=running & hypervisors)


def _images(
    lab: Lab, name: StorageName, hosts: tuple[HostName, ...], *, shared: bool, running: Collection[HostName]
) -> Iterator[Violation]:
    """Images are downloaded once, through one host; every host that starts guests from them must see them."""
    where = place(Part.STORAGES, item=name)
    if lab.proxmox.image_host not in hosts:
        yield _violation(
            f"images are downloaded through {lab.proxmox.image_host}, which has no storage `{name}`",
            place(Part.PROXMOX, "image_host"),
            f"name one of {', '.join(hosts)}" if hosts else "give the storage hosts",
            where,
        )
    elsewhere = sorted(host for host in running if host != lab.proxmox.image_host)
    blind = [host for host in elsewhere if host not in hosts] if shared else elsewhere
    if blind:
        reason = "is not on" if shared else "is not shared, so images do not reach"
        yield _violation(
            f"the image storage `{name}` {reason} {', '.join(blind)}, where guests are made from images",
            where,
            "use a shared storage that every host has",
            place(Part.PROXMOX, "image_storage"),
        )


def _holds(lab: Lab, field: str, name: StorageName, content: set[StorageContent]) -> Iterator[Violation]:
    for storage in lab.storages:
        lacking = sorted(content - set(storage.content))
        if storage.name == name and lacking:
            yield _violation(
                f"`{field}` is storage `{name}`, which may not hold {', '.join(lacking)}",
                place(Part.PROXMOX, field),
                f"add {', '.join(lacking)} to its content, or name another storage",
                place(Part.STORAGES, "content", item=name),
            )


def _quorum(lab: Lab, configuration: Configuration) -> Iterator[Violation]:
    members = {node.suffix for node in lab.cluster.placements if node.role is NodeRole.CONTROL_PLANE}
    spare = max(0, (len(members) - 1) // 2)
    for colour, settings in configuration.colours.items():
        given_up = members & set(settings.replaceable)
        if len(given_up) > spare:
            yield _violation(
                f"{len(given_up)} of {len(members)} control-plane nodes of {colour} may be replaced at once; etcd "
                f"loses its majority, and the cluster its state, with more than {spare}",
                source(colour, "replaceable"),
                f"name at most {spare}, apply, wait until it is healthy, then name the next"
                if spare
                else "leave the list empty: this control plane has no spare node",
            )


def _bucket_place(field: str) -> Source:
    return place(Part.CLOUD, "cloudflare", "bucket", field)


def _days(seconds: int) -> str:
    whole, rest = divmod(seconds, DAY)
    return f"{whole} days" if rest == 0 else f"{seconds} s"


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.STATEFUL, message=message, where=where, also=also, fix=fix)
