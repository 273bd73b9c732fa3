"""Volume snapshots: what the snapshot controller and ceph-csi's snapshotter do, without any data."""

from typing import Final
from uuid import UUID, uuid5

from twin.kubernetes.api import Object
from twin.operators.cluster import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, Kind, NotReadyError, Operator, now
from twin.operators.controller import Controller
from twin.operators.volumes import refuse_cluster_id

SNAPSHOTS: Final = Operator("snapshots")

SNAPSHOT: Final = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshot")
SNAPSHOT_CONTENT: Final = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent")
SNAPSHOT_CLASS: Final = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass")


class Snapshots(Controller):
    """A content object for each snapshot of a bound claim."""

    operator = SNAPSHOTS
    kind = SNAPSHOT

    async def reconcile(self, found: Object) -> None:
        """Make the content and say that it is ready."""
        if (found.get("status") or {}).get("readyToUse"):
            return
        metadata = found["metadata"]
        claim_name = found["spec"]["source"].get("persistentVolumeClaimName")
        if claim_name is None:
            raise NotReadyError("SnapshotContentMissing", "the twin takes snapshots of claims only")
        claim = await self.cluster.find(PERSISTENT_VOLUME_CLAIM, metadata["namespace"], claim_name)
        if claim is None or not claim["spec"].get("volumeName"):
            raise NotReadyError("SnapshotContentCreationFailed", f"claim {claim_name} is missing or not bound")
        volume = await self.cluster.find(PERSISTENT_VOLUME, None, claim["spec"]["volumeName"])
        driver = ((volume or {}).get("spec") or {}).get("csi", {}).get("driver")
        snapshot_class = await self._class(found, driver)
        refuse_cluster_id(self.cluster.around.lab, snapshot_class.get("parameters") or {})
        name = f"snapcontent-{metadata['uid']}"
        await self.cluster.create(
            SNAPSHOTS,
            {
                "apiVersion": SNAPSHOT_CONTENT.api_version,
                "kind": SNAPSHOT_CONTENT.kind,
                "metadata": {"name": name},
                "spec": {
                    "deletionPolicy": snapshot_class["deletionPolicy"],
                    "driver": driver,
                    "source": {"volumeHandle": str(uuid5(UUID(metadata["uid"]), "snapshot"))},
                    "volumeSnapshotClassName": snapshot_class["metadata"]["name"],
                    "volumeSnapshotRef": {
                        "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"],
                    },
                },
            },
        )  # fmt: skip
        size = claim["status"]["capacity"]["storage"]
        status: Object = {"boundVolumeSnapshotContentName": name, "creationTime": now(), "readyToUse": True}
        await self.cluster.set_status(found, {**status, "restoreSize": size, "error": None})

    async def refuse(self, found: Object, problem: NotReadyError) -> None:
        """The error of the snapshot, and an event."""
        before = (found.get("status") or {}).get("error") or {}
        if before.get("message") != problem.message:
            status = {"error": {"message": problem.message, "time": now()}, "readyToUse": False}
            await self.cluster.set_status(found, status)
        await self.tell(found, problem.reason, problem.message)

    async def _class(self, found: Object, driver: str | None) -> Object:
        name = found["spec"].get("volumeSnapshotClassName")
        if name is None:
            raise NotReadyError("SetDefaultSnapshotClassFailed", "the snapshot names no class")
        snapshot_class = await self.cluster.find(SNAPSHOT_CLASS, None, name)
        if snapshot_class is None:
            raise NotReadyError("GetSnapshotClassFailed", f'volumesnapshotclass "{name}" not found')
        if snapshot_class["driver"] != driver:
            raise NotReadyError(
                "SnapshotContentCreationFailed",
                f"class {name} is for driver {snapshot_class['driver']}, the volume is of {driver}",
            )
        return snapshot_class


class SnapshotContents(Controller):
    """Contents go with their snapshot where the deletion policy says so."""

    operator = SNAPSHOTS
    kind = SNAPSHOT_CONTENT
    wakes_on = (SNAPSHOT,)

    async def reconcile(self, found: Object) -> None:
        """Delete the content whose snapshot is gone."""
        reference = found["spec"]["volumeSnapshotRef"]
        present = await self.cluster.find(SNAPSHOT, reference["namespace"], reference["name"])
        gone = present is None or present["metadata"]["uid"] != reference.get("uid")
        if gone and found["spec"]["deletionPolicy"] == "Delete":
            await self.cluster.remove(SNAPSHOT_CONTENT, None, found["metadata"]["name"])
