"""Real S3 servers on loopback, and clients of each of their users."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
WEED: Final = Path(sys.executable).parent / "weed"


@dataclass(frozen=True)
class Keys:
    """Keys of one user."""

    access: str
    secret: str


@dataclass(frozen=True)
class S3Server:
    """A running `weed server -s3`."""

    port: int
    administrator: Keys

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def client(self, keys: Keys | None) -> Any:
        """A client with the keys; without any it is anonymous."""
        # The newer checksums of the client are refused by every server but Amazon's.
        settings: dict[str, Any] = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "retries": {"max_attempts": 1},
        }
        if keys is None:
            return boto3.client(
                "s3", endpoint_url=self.endpoint, region_name="us-east-1",
                config=Config(signature_version=UNSIGNED, **settings),
            )  # fmt: skip
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", config=Config(**settings),
            aws_access_key_id=keys.access, aws_secret_access_key=keys.secret,
        )  # fmt: skip

    def iam(self) -> Any:
        """A client that makes users and policies, as the administrator."""
        return boto3.client(
            "iam", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=self.administrator.access, aws_secret_access_key=self.administrator.secret,
        )  # fmt: skip

    def add_user(self, name: str, policy: Mapping[str, Any]) -> Keys:
        """A user with an IAM policy; the server refuses actions that it does not know."""
        iam = self.iam()
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        keys = Keys(made["AccessKeyId"], made["SecretAccessKey"])
        deadline = time.monotonic() + STOP_SECONDS
        # The gateway hears of it from the filer.
        while code(self.client(keys).list_buckets) == "InvalidAccessKeyId":
            assert time.monotonic() < deadline, f"the user {name} never came up"
            time.sleep(0.1)
        return keys

    def make(self, *buckets: str) -> None:
        for bucket in buckets:
            self.client(self.administrator).create_bucket(Bucket=bucket)


@contextmanager
def s3_server(folder: Path, identities: Mapping[str, Any], administrator: Keys) -> Generator[S3Server]:
    """A SeaweedFS server with the identities, until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "s3.json"
    configuration.write_text(json.dumps(identities), encoding="utf-8")
    master, volume, filer, gateway = _free_ports(4)
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            str(WEED), "server", f"-dir={folder}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}",
            f"-master.port={master}", f"-volume.port={volume}", "-master.volumeSizeLimitMB=64", "-volume.max=30",
            "-filer", f"-filer.port={filer}", "-s3", f"-s3.port={gateway}", f"-s3.config={configuration}",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam.readOnly=false",
        ],
        cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    server = S3Server(gateway, administrator)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def administrator_alone(keys: Keys) -> dict[str, Any]:
    """Identities of a server that has only an administrator."""
    credentials = [{"accessKey": keys.access, "secretKey": keys.secret}]
    return {
        "identities": [{"name": "admin", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}]
    }


def code(call: Any, **arguments: Any) -> str:
    """What the server says to a call: `OK`, or the code of its refusal."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code"))
    return "OK"


def objects(client: Any, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """Every object by its key."""
    pages: Iterator[Any] = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it can write, which needs a volume and not only an open port."""
    client = server.client(server.administrator)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(server.endpoint, timeout=2).close()  # noqa: S310 - on loopback
        except urllib.error.HTTPError:
            if code(client.create_bucket, Bucket="ready") == "OK" and _writes(client):
                client.delete_object(Bucket="ready", Key="ready")
                client.delete_bucket(Bucket="ready")
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"weed did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def _writes(client: Any) -> bool:
    return any(code(client.put_object, Bucket="ready", Key="ready", Body=b"") == "OK" for _ in range(3))


def _free_ports(number: int) -> list[int]:
    """Ports that are free together with the ports 10000 above, which weed takes for gRPC."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as one, socket.socket() as other:
            one.bind((LOOPBACK, 0))
            port = one.getsockname()[1]
            if port > 55000 or port in found:
                continue
            try:
                other.bind((LOOPBACK, port + 10000))
            except OSError:
                continue
        found.append(port)
    return found
