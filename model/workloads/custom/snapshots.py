"""Volume snapshots."""

from model.workloads.objects import CustomObject, Kind

GROUP, VERSION = "snapshot.storage.k8s.io", "v1"


class VolumeSnapshotClass(CustomObject):
    """How volumes of a driver are snapshotted."""

    OF = Kind(group=GROUP, version=VERSION, name="VolumeSnapshotClass")
    driver: str
    deletion_policy: str
    parameters: dict[str, str]


class VolumeSnapshot(CustomObject):
    """One snapshot; made by people, never by the program."""

    OF = Kind(group=GROUP, version=VERSION, name="VolumeSnapshot")


class VolumeSnapshotContent(CustomObject):
    """What a snapshot is on the storage; made by the snapshot controller."""

    OF = Kind(group=GROUP, version=VERSION, name="VolumeSnapshotContent")
