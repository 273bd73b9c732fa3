"""Become a program that the kernel ends together with the process that started it, whatever happens to that one.

`python -I -S launch.py PARENT EXECUTABLE ARGUMENT…`. The process stays the same, so its id is the program's. Imports
as little as it can: it runs before each start of each program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""`prctl(2)`; kept over `execve`. The kernel sends the signal when the thread that forked ends: the daemon's first."""
CANNOT_LAUNCH = 126


def launch(parent: int, executable: str, arguments: list[str]) -> None:
    """Does not return when all goes well."""
    if not sys.platform.startswith("linux"):
        sys.exit("the twin's Kubernetes needs Linux: nothing else ends a child with its parent")
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        # It died before the kernel was asked.
        sys.exit(CANNOT_LAUNCH)
    os.execv(executable, [executable, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
