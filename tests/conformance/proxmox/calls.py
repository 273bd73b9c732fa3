"""Calls that several tests make, through `proxmoxer`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from proxmoxer import ResourceException

from tests.conformance.proxmox.cluster import SCHEMATIC, Api

IMAGE_URL = f"https://factory.talos.dev/image/{SCHEMATIC}/v1.11.3/nocloud-amd64.qcow2"
IMAGE = "talos.qcow2"


class TaskError(Exception):
    """A task ended in anything but OK."""

    def __init__(self, status: str, log: str) -> None:
        super().__init__(f"{status}\n{log}")
        self.status = status
        self.log = log


def finish(client: Api, upid: str) -> str:
    """Wait for the task and return its log; TaskError when it failed."""
    task = client.nodes(upid.split(":")[1]).tasks(upid)
    while (status := task.status.get())["status"] == "running":
        pass
    log = "\n".join(line["t"] for line in task.log.get())
    if status["exitstatus"] != "OK":
        raise TaskError(status["exitstatus"], log)
    return log


def prepare(client: Api) -> None:
    """Make the LVM storage and download a Talos image."""
    client.storage.post(storage="lvm", type="lvm", vgname="local-vg", content="images,rootdir")
    upid = client.nodes("method").storage("cephfs")("download-url").post(
        content="import", filename=IMAGE, url=IMAGE_URL
    )
    finish(client, upid)


def settings(address: str, memory: int = 4096, **changes: Any) -> dict[str, Any]:
    """Settings of a small Talos guest, changed as wanted; None removes one."""
    base: dict[str, Any] = {
        "name": f"guest-{address.rsplit('.', 1)[-1]}",
        "machine": "q35",
        "scsihw": "virtio-scsi-single",
        "memory": memory,
        "cores": 2,
        "scsi0": f"lvm:0,import-from=cephfs:import/{IMAGE},iothread=1,discard=on",
        "ide2": "lvm:cloudinit",
        "net0": "virtio,bridge=vmbr0,tag=30",
        "ipconfig0": f"ip={address}/24,gw=10.0.30.2",
        "agent": "enabled=1",
        "boot": "order=scsi0",
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def create(client: Api, node: str, vmid: int, guest: Mapping[str, Any]) -> str:
    """Create a guest and return the task's log."""
    return finish(client, client.nodes(node).qemu.post(vmid=vmid, **guest))


def start(client: Api, node: str, vmid: int) -> str:
    """Start a guest and return the task's log."""
    return finish(client, client.nodes(node).qemu(vmid).status.start.post())


def stop(client: Api, node: str, vmid: int) -> str:
    """Switch a guest off and return the task's log."""
    return finish(client, client.nodes(node).qemu(vmid).status.stop.post())


@dataclass(frozen=True)
class Refusal:
    """What a refused call was told."""

    status: int
    message: str
    errors: dict[str, str]
    """By parameter."""


def refused(call: Any, **arguments: Any) -> Refusal:
    """The refusal that the call must meet."""
    with pytest.raises(ResourceException) as caught:
        call(**arguments)
    return Refusal(caught.value.status_code, str(caught.value.content), dict(caught.value.errors or {}))
