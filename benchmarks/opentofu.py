"""The same number of trivial resources planned by OpenTofu."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.laboratory import BenchmarkError, Report
from tools.build import ensure
from tools.recipe import OPENTOFU

NOTHING_TO_DO = 0
"""Of `plan -detailed-exitcode`, which says 2 when there is something."""


def configuration(count: int) -> str:
    """As many resources with one input each; `terraform_data` is built in, so no provider has to be started."""
    return "\n".join(f'resource "terraform_data" "resource_{n}" {{\n  input = "{n}"\n}}' for n in range(count))


@dataclass(frozen=True)
class Tofu:
    """An applied configuration in a folder of its own."""

    executable: Path
    directory: Path

    def plan_seconds(self) -> float:
        """Wall-clock time of a plan that must find nothing to do."""
        began = time.monotonic()
        self._call("plan", "-detailed-exitcode", "-input=false")
        return time.monotonic() - began

    def apply(self) -> None:
        """Make the resources."""
        self._call("init", "-input=false")
        self._call("apply", "-auto-approve", "-input=false")

    def _call(self, *arguments: str) -> None:
        settings = {
            # Settings of the machine's owner are not to be measured, nor a look for a newer version.
            "TF_CLI_CONFIG_FILE": str(self.directory / "tofu.rc"),
            "CHECKPOINT_DISABLE": "1",
        }
        answer = subprocess.run(
            [str(self.executable), f"-chdir={self.directory}", *arguments, "-no-color"],
            env={**os.environ, **settings}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode != NOTHING_TO_DO:
            said = f"{answer.stderr}{answer.stdout}"
            raise BenchmarkError(f"`tofu {arguments[0]}` ended with {answer.returncode}:\n{said}")


def applied(directory: Path, count: int, report: Report) -> Tofu:
    """That many resources, applied in `directory`; OpenTofu is built when it is missing."""
    (built,) = ensure((OPENTOFU,), report)
    directory.mkdir()
    (directory / "main.tf").write_text(configuration(count))
    (directory / "tofu.rc").touch()
    tofu = Tofu(built.directory / OPENTOFU.binaries[0].name, directory)
    tofu.apply()
    return tofu
