"""The files of one twin, and what its daemon tells others through them."""

import fcntl
import os
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO

from pydantic import Field, ValidationError

from model.base import Value

REPOSITORY = Path(__file__).parents[1]
WATCHED = ("twin", "model", "inventory")
"""Packages that the daemon runs; a change of any of them makes a running daemon outdated."""

MAXIMUM_SOCKET_PATH = 100
"""Bytes; the kernel takes 107."""


class Endpoints(Value):
    """Where a running daemon serves. Holds a secret: the file is readable by its owner alone."""

    pid: int
    sources: str
    """`source_fingerprint()` of the code that the daemon runs."""
    providers: Mapping[str, int]
    """Loopback port of each stand-in, by package name."""
    control: Path
    """Unix socket of the control API."""
    certificate_authorities: Path
    """PEM bundle: the twin's authority and the system's."""
    environment: Mapping[str, str] = Field(default_factory=dict)
    """What else a client of the emulated APIs needs, e.g. `PROXMOX_VE_ENDPOINT`."""
    notices: tuple[str, ...] = ()
    """What a person should know about this start, e.g. that a port had to change."""


class InUseError(Exception):
    """Another daemon has the directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{directory} is in use by the twin's daemon, {who}; `./lab twin stop` ends it")
        self.pid = pid


class TwinDirectory:
    """Paths below one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.state = self.path / "state.sqlite"
        self.log = self.path / "daemon.log"
        self.certificates = self.path / "certificates"
        self.endpoints = self.path / "endpoints.json"
        self._lock = self.path / "daemon.lock"

    def make(self) -> None:
        """Create the directory, for its owner alone."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def open_log(self) -> IO[bytes]:
        """The daemon's log, to be appended to."""
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    @property
    def control(self) -> Path:
        """The control socket: here, or where its path is short enough for the kernel."""
        here = self.path / "control.sock"
        if len(os.fsencode(here)) <= MAXIMUM_SOCKET_PATH:
            return here
        digest = sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lab-twin-{os.getuid()}-{digest}" / "control.sock"

    def acquire(self) -> IO[str]:
        """Own the directory for as long as the returned file is open; InUseError when a living process does.

        The kernel drops the lock with its owner, so a killed daemon leaves nothing to clear.
        """
        self.make()
        file = self._lock.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InUseError(self.path, self.owner()) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file

    def owner(self) -> int | None:
        """Process id of the living daemon, None when there is none."""
        try:
            with self._lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read().strip() or 0) or None
                return None
        except FileNotFoundError:
            return None

    def read_endpoints(self) -> Endpoints | None:
        """What the living daemon serves; None while there is none, or it is not ready."""
        owner = self.owner()
        try:
            endpoints = Endpoints.model_validate_json(self.endpoints.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return endpoints if endpoints.pid == owner else None

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Publish the endpoints, all at once."""
        write_private(self.endpoints, endpoints.model_dump_json(indent=2).encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, all at once."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)


def source_fingerprint() -> str:
    """Changes when the code or the inventory that the daemon runs changes."""
    digest = sha256()
    for package in WATCHED:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            status = path.stat()
            digest.update(f"{path.relative_to(REPOSITORY)} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()[:16]
