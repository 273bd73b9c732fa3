"""Storages and downloads."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conformance.proxmox.calls import IMAGE_URL, TaskError, create, finish, prepare, refused, settings
from tests.conformance.proxmox.cluster import Api, EmulatedCluster

DISK = bytes(range(256)) * 4096
QCOW2 = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (20 << 30).to_bytes(8, "big") + bytes(72)
FILES = {"/disk.iso": DISK, "/disk.iso.gz": gzip.compress(DISK), "/image.qcow2": QCOW2}


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = FILES.get(self.path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


@pytest.fixture
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def download(client: Api, storage: str = "cephfs", **arguments: str) -> str:
    return finish(client, client.nodes("method").storage(storage)("download-url").post(**arguments))


def contents(client: Api, node: str = "method") -> dict[str, int]:
    return {volume["volid"]: volume["size"] for volume in client.nodes(node).storage("cephfs").content.get()}


def test_the_file_system_of_the_hosts_is_there_and_the_volume_group_is_not(client: Api) -> None:
    assert [storage["storage"] for storage in client.storage.get()] == ["cephfs"]
    assert "images" not in client.storage("cephfs").get()["content"]


def test_a_storage_is_made_changed_and_removed(client: Api) -> None:
    client.storage.post(storage="lvm", type="lvm", vgname="local-vg", nodes="method,indy", content="images")
    assert client.storage("lvm").get() == {
        "storage": "lvm", "type": "lvm", "vgname": "local-vg", "content": "images", "nodes": "method,indy",
    }
    assert "not available on node 'stale'" in refused(client.nodes("stale").storage("lvm").status.get).message
    client.storage("lvm").put(content="images,rootdir", delete="nodes")
    assert client.nodes("stale").storage("lvm").status.get()["content"] == "images,rootdir"
    client.storage("lvm").delete()
    assert "storage 'lvm' does not exist" in refused(client.storage("lvm").get).message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"type": "lvm", "vgname": "other-vg"}, "no such volume group 'other-vg'"),
        ({"type": "lvm", "vgname": "local-vg", "content": "iso"}, "storage does not support content type 'iso'"),
        ({"type": "lvm", "vgname": "local-vg", "server": "10.0.20.198"}, "unexpected property 'server'"),
        ({"type": "lvm", "vgname": "local-vg", "nodes": "aorus"}, "node 'aorus' does not exist"),
        ({"type": "pbs", "server": "10.0.20.198", "datastore": "d", "username": "u@pbs"},
         "Can't connect to 10.0.20.198 (No route to host)"),
        ({"type": "lvm"}, "property is missing and it is not optional"),
    ],
)
def test_a_storage_that_cannot_be(client: Api, arguments: dict[str, str], words: str) -> None:
    refusal = refused(client.storage.post, storage="new", **arguments)
    assert words in f"{refusal.message} {refusal.errors}"
    assert [storage["storage"] for storage in client.storage.get()] == ["cephfs"]


def test_fixed_options_stay(client: Api) -> None:
    client.storage.post(storage="lvm", type="lvm", vgname="local-vg")
    assert refused(client.storage("lvm").put, vgname="other").errors == {
        "vgname": "can't change value of fixed parameter 'vgname'"
    }


def test_a_factory_image_is_there_for_every_node(client: Api) -> None:
    download(client, content="import", filename="talos.qcow2", url=IMAGE_URL)
    assert "cephfs:import/talos.qcow2" in contents(client, "stale")


def test_a_file_is_not_overwritten(client: Api) -> None:
    download(client, content="import", filename="talos.qcow2", url=IMAGE_URL)
    with pytest.raises(TaskError, match=r"refusing to override existing file 'cephfs:import/talos\.qcow2'"):
        download(client, content="import", filename="talos.qcow2", url=IMAGE_URL)


@pytest.mark.parametrize(
    "url",
    [
        "https://factory.talos.dev/image/short/v1.11.3/nocloud-amd64.qcow2",
        IMAGE_URL.replace("qcow2", "tar"),
        IMAGE_URL.replace("376567988a", "000000000a"),
        "https://example.org/image.qcow2",
    ],
)
def test_a_file_out_of_reach_fails_the_download(client: Api, url: str) -> None:
    with pytest.raises(TaskError, match=r"404 Not Found|out of the twin's reach"):
        download(client, content="import", filename="image.qcow2", url=url)
    assert contents(client) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"content": "import", "filename": "talos.img"}, "invalid filename or wrong extension"),
        ({"content": "iso", "filename": "talos.qcow2"}, "wrong file extension"),
        ({"content": "import", "filename": "talos.qcow2", "checksum": "00"}, "requires this property"),
        ({"content": "backup", "filename": "x.iso"}, "does not have a value in the enumeration"),
    ],
)
def test_a_download_that_cannot_be(client: Api, arguments: dict[str, str], words: str) -> None:
    refusal = refused(client.nodes("method").storage("cephfs")("download-url").post, url=IMAGE_URL, **arguments)
    assert words in str(refusal.errors)


def test_a_storage_must_hold_files_of_that_kind(client: Api) -> None:
    client.storage.post(storage="lvm", type="lvm", vgname="local-vg")
    refusal = refused(
        client.nodes("method").storage("lvm")("download-url").post, content="iso", filename="x.iso", url=IMAGE_URL
    )
    assert "not a file based storage" in refusal.message


def test_checksum_and_compression_of_a_file_that_is_really_fetched(client: Api, files: str) -> None:
    checksum = hashlib.sha256(FILES["/disk.iso.gz"]).hexdigest()
    download(
        client, content="iso", filename="disk.iso", url=f"{files}/disk.iso.gz", compression="gz", checksum=checksum,
        **{"checksum-algorithm": "sha256"},
    )
    assert contents(client) == {"cephfs:iso/disk.iso": len(DISK)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"checksum": "00", "checksum-algorithm": "sha256"}, "checksum mismatch"),
        ({"compression": "gz"}, "[Nn]ot a gzip"),
        ({"compression": "lzo"}, "decompression by 'lzo' is not emulated"),
    ],
)
def test_a_wrong_file_is_not_stored(client: Api, files: str, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        download(client, content="iso", filename="disk.iso", url=f"{files}/disk.iso", **arguments)
    assert contents(client) == {}


def test_images_for_import_are_not_decompressed(client: Api) -> None:
    with pytest.raises(TaskError, match="decompression not supported for import"):
        download(client, content="import", filename="talos.raw", url=IMAGE_URL, compression="gz")


def test_a_checksum_that_cannot_be_verified_is_not_taken_on_trust(client: Api) -> None:
    with pytest.raises(TaskError, match="knows this file by size only"):
        download(
            client, content="import", filename="talos.qcow2", url=IMAGE_URL, checksum="00",
            **{"checksum-algorithm": "sha256"},
        )


def test_a_disk_is_as_large_as_its_image_says(client: Api, files: str) -> None:
    prepare(client)
    download(client, content="import", filename="image.qcow2", url=f"{files}/image.qcow2")
    create(client, "method", 110, settings("10.0.30.60", scsi0="lvm:0,import-from=cephfs:import/image.qcow2"))
    assert "size=20G" in client.nodes("method").qemu(110).config.get()["scsi0"]


def test_the_room_of_a_file_is_given_back(client: Api) -> None:
    before = client.nodes("method").storage("cephfs").status.get()["used"]
    download(client, content="import", filename="talos.qcow2", url=IMAGE_URL)
    storage = client.nodes("method").storage("cephfs")
    assert storage.status.get()["used"] > before
    finish(client, storage.content("cephfs:import/talos.qcow2").delete())
    assert storage.status.get()["used"] == before


def test_a_backup_server_must_run_to_be_added(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    installed = {"name": "proxmox-backup-server", "net0": "virtio,bridge=vmbr0,tag=20", "scsi0": "lvm:32"}
    create(client, "method", 198, {**installed, "start": 1})
    client.storage.post(
        storage="pbs", type="pbs", server="10.0.20.198", datastore="infrastructure", username="backup@pbs", password="x"
    )
    assert client.nodes("indy").storage("pbs").status.get()["active"] == 1
    assert "password" not in client.storage("pbs").get()
    finish(client, client.nodes("method").qemu(198).status.stop.post())
    assert client.nodes("indy").storage("pbs").status.get()["active"] == 0
