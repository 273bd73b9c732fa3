"""The twin as the command line uses it: start, stop, status, environment, faults."""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from twin.directory import REPOSITORY, Endpoints, InUseError, TwinDirectory, source_fingerprint
from twin.faults import Fault

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 10.0
LOG_LINES: Final = 15
"""How much of the log an error shows."""

Progress = Callable[[str], None]


class TwinError(Exception):
    """The twin cannot do what was asked; the message is for people."""


class NotRunningError(TwinError):
    """There is no daemon to ask."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"the twin of {directory} is not running; `./lab twin start` starts it")


def _silent(step: str) -> None:
    del step


class Twin:
    """The twin of one directory, running or not."""

    def __init__(self, directory: Path, cache: Path, tools: Mapping[str, str] | None = None) -> None:
        """`cache` outlives the twin; `tools` is set in the daemon's environment when it is started (e.g. a PATH)."""
        self._directory = TwinDirectory(directory)
        self._cache = cache
        self._tools = dict(tools or {})

    def start(self, progress: Progress = _silent) -> Endpoints:
        """Have the daemon running with the code of this checkout; returns at once when it is.

        TwinError with the last lines of its log when it does not come up.
        """
        running = self._directory.read_endpoints()
        if running is not None:
            if running.sources == source_fingerprint():
                return running
            progress("restarting the twin: its code or the inventory has changed")
            self.stop()
        elif self._directory.owner() is not None:
            return self._await_other(progress)
        return self._spawn(progress)

    def stop(self) -> bool:
        """End the daemon; its state stays. False when none was running. TwinError when it does not end."""
        owner = self._directory.owner()
        if owner is None:
            return False
        os.kill(owner, signal.SIGTERM)
        if not _until(lambda: self._directory.owner() != owner, STOP_SECONDS):
            raise TwinError(f"the twin's daemon, process {owner}, does not end; `kill -9 {owner}` loses nothing")
        return True

    def reset(self) -> None:
        """Stop the daemon and forget everything it ever was told."""
        self.stop()
        try:
            held = self._directory.acquire()
        except InUseError as error:
            raise TwinError(str(error)) from error
        with held:
            for path in self._directory.path.glob("*"):
                if path.name == Path(held.name).name:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def running(self) -> Endpoints | None:
        """Where the daemon serves; None when none is ready."""
        return self._directory.read_endpoints()

    def environment(self) -> dict[str, str]:
        """What `pulumi` needs to talk to the twin; NotRunningError when there is no daemon."""
        endpoints = self._endpoints()
        return {
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in endpoints.providers.items()),
            "SSL_CERT_FILE": str(endpoints.certificate_authorities),
            **endpoints.environment,
        }

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself, and whether it runs older code than this checkout."""
        answer = self._ask("GET", "/status")
        return {**answer, "outdated": answer["sources"] != source_fingerprint()}

    def faults(self) -> list[Fault]:
        """The faults in force."""
        return [Fault.model_validate(body) for body in self._ask("GET", "/faults")]

    def inject(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._ask("POST", "/faults", body=fault.model_dump(mode="json"))

    def clear(self, key: str | None = None) -> int:
        """End one fault, or all; returns how many ended."""
        return int(self._ask("DELETE", "/faults", {} if key is None else {"key": key})["cleared"])

    def machines(self) -> list[dict[str, Any]]:
        """Every machine that is switched on."""
        return self._ask("GET", "/machines")

    def capacity(self) -> list[dict[str, Any]]:
        """Per host, in MiB: memory `installed`, `reserved` and `free`, and its `holders`."""
        return self._ask("GET", "/capacity")

    def planes(self) -> list[dict[str, Any]]:
        """Every cluster's Kubernetes: `name`, `state` (a `PlaneState`), `endpoint` and the `proxy` that leads there,
        `problems`, how many `nodes` are up, and the ids of its `processes` by name (None for one that does not run).
        """
        return self._ask("GET", "/planes")

    def created(self, urns: list[str]) -> dict[str, dict[str, str]]:
        """What the last create of each URN made (`token`, `id`, `at`), as far as it was a stand-in's.

        An engine that was killed may not have written it down. With this id in its state, a refresh tells the rest.
        """
        return self._ask("POST", "/created", body=urns)

    def documents(self, collection: str) -> dict[str, dict[str, Any]]:
        """Everything in a collection of the state, e.g. `providers/cloudflare:index/r2Bucket:R2Bucket`."""
        return self._ask("GET", "/documents", {"collection": collection})

    def change(self, collection: str, key: str, changes: Mapping[str, Any]) -> None:
        """Change a document behind Pulumi's back."""
        self._ask("PATCH", "/documents", {"collection": collection, "key": key}, dict(changes))

    def remove(self, collection: str, key: str) -> None:
        """Remove a document behind Pulumi's back."""
        self._ask("DELETE", "/documents", {"collection": collection, "key": key})

    def put_object(self, bucket: str, key: str, size_bytes: int) -> list[str]:
        """Upload an object to an R2 bucket (`account/jurisdiction/name`); returns the keys that are in it now."""
        body = {"bucket": bucket, "key": key, "size_bytes": size_bytes}
        return self._ask("POST", "/objects", body=body)["objects"]

    def delete_object(self, bucket: str, key: str) -> list[str]:
        """Delete an object of an R2 bucket; TwinError when a lock keeps it. Returns the keys that are left."""
        return self._ask("DELETE", "/objects", {"bucket": bucket, "key": key})["objects"]

    def _endpoints(self) -> Endpoints:
        endpoints = self.running()
        if endpoints is None:
            raise NotRunningError(self._directory.path)
        return endpoints

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        # Imported here: most commands only need the environment, which is in a file.
        import httpx

        endpoints = self._endpoints()
        transport = httpx.HTTPTransport(uds=str(endpoints.control))
        with httpx.Client(transport=transport, base_url="http://twin", timeout=ANSWER_SECONDS) as client:
            try:
                answer = client.request(method, path, params=dict(query or {}), json=body)
            except httpx.TransportError as error:
                raise TwinError(f"the twin's daemon, process {endpoints.pid}, does not answer: {error}") from error
        if answer.is_error:
            raise TwinError(answer.json()["error"] if "json" in answer.headers.get("content-type", "") else answer.text)
        return answer.json()

    def _spawn(self, progress: Progress) -> Endpoints:
        self._directory.make()
        reading, writing = os.pipe()
        with self._directory.open_log() as log:
            log_start = log.tell()
            process = subprocess.Popen(
                [
                    sys.executable, "-m", "twin", "serve", "--directory", self._directory.path,
                    "--cache", self._cache.absolute(), "--report", str(writing),
                ],
                cwd=REPOSITORY, env={**os.environ, **self._tools}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=(writing,), start_new_session=True,
            )  # fmt: skip
        os.close(writing)
        try:
            ready = _follow(reading, progress)
        finally:
            os.close(reading)
        endpoints = self._directory.read_endpoints()
        if ready and endpoints is not None:
            for notice in endpoints.notices:
                progress(notice)
            return endpoints
        if process.poll() is None:
            process.terminate()
        code = process.wait(STOP_SECONDS)
        if self._directory.owner() is not None:
            return self._await_other(progress)
        raise TwinError(f"the twin's daemon did not come up (exit code {code}):\n{self._log_since(log_start)}")

    def _await_other(self, progress: Progress) -> Endpoints:
        """Somebody else is starting or stopping the daemon of this directory at this moment."""
        if _until(lambda: self.running() is not None or self._directory.owner() is None, START_SECONDS):
            return self.running() or self._spawn(progress)
        raise TwinError(
            f"the twin's daemon, process {self._directory.owner()}, is there but does not get ready; "
            f"`./lab twin stop` ends it, {self._directory.log} tells more"
        )

    def _log_since(self, offset: int) -> str:
        with self._directory.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:]) or f"it said nothing; its log is {self._directory.log}"


def _follow(reading: int, progress: Progress) -> bool:
    """Pass on what the daemon reports until it is ready; False when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    pending = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            return False
        received = os.read(reading, 4096)
        if not received:
            return False
        *steps, pending = (pending + received).split(b"\n")
        for step in steps:
            if step == b"ready":
                return True
            progress(step.decode())
    return False


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
