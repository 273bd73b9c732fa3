"""Writes how each Proxmox host sends its journal: `python -m stacks.host_logs FOLDER`.

The hosts are configured outside this program; this is the one file of theirs that follows from the inventory.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from inventory import LAB
from inventory.workloads.monitor import LOKI_HOST, LOKI_USER
from model.workloads.observability.alloy import HostLogs, host_configuration


def host_logs() -> Mapping[str, str]:
    """Name of each file, and what is in it."""
    return {
        f"{host.name}.alloy": host_configuration(
            HostLogs(host=host.name, loki=f"{LOKI_HOST}.{LAB.domain}", username=LOKI_USER)
        )
        for host in LAB.hypervisors
    }


def main(folder: Path) -> None:
    """Write every file into the folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in host_logs().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
