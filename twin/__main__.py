"""`python -m twin serve --directory DIR --cache DIR`: run the daemon in the foreground. `./lab twin start` does."""

import argparse
import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from twin.directory import InUseError, TwinDirectory

IN_USE: Final = 3
DAMAGED: Final = 4
UNAVAILABLE: Final = 5


def main(arguments: list[str]) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m twin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the daemon in the foreground")
    serve.add_argument("--directory", type=Path, required=True, help="where the twin keeps its state")
    serve.add_argument("--cache", type=Path, required=True, help="where what is read from the SDKs is kept")
    serve.add_argument("--report", type=int, metavar="FD", help="file descriptor told each step of the start")
    parsed = parser.parse_args(arguments)
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return _serve(TwinDirectory(parsed.directory), parsed.cache, parsed.report)


def _serve(directory: TwinDirectory, cache: Path, descriptor: int | None) -> int:
    # Imported here: a mistyped command need not load the whole inventory.
    from inventory import LAB
    from twin.daemon import Daemon, DamagedStateError

    def report(step: str) -> None:
        if descriptor is not None:
            with suppress(BrokenPipeError):
                os.write(descriptor, f"{step}\n".encode())

    try:
        asyncio.run(Daemon(directory, LAB, cache).run(report))
    except InUseError as error:
        print(error, file=sys.stderr)
        return IN_USE
    except DamagedStateError as error:
        print(error, file=sys.stderr)
        return DAMAGED
    except OSError as error:
        print(f"the twin cannot serve: {error}", file=sys.stderr)
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
