"""One stack's program in a fresh interpreter, timed from its first import. `python -m benchmarks.program_probe STACK`.

Writes a JSON object: `import_seconds`, `first_build_seconds`, `build_seconds` (one per repetition), `resources`, and
which of the modules that only one stack may import were (`imported`).
"""

import gc
import importlib
import json
import sys
import time

# As the program itself begins.
gc.disable()

REPETITIONS = 3
COLOUR_MODULES = ("stacks.program", "stacks.colour")
SHARED_MODULES = ("stacks.program", "stacks.shared", "pulumi_cloudflare")
"""The program imports the last one when it builds the stack."""
EXCLUSIVE = ("pulumi_cloudflare", "pulumi_gcp", "pulumi_kubernetes", "pulumi_proxmoxve", "pulumiverse_talos")


def probe(stack: str) -> dict[str, object]:
    """Import, build once, build again; the first build also pays for what the SDKs import when it is first used."""
    began = time.perf_counter()
    for module in SHARED_MODULES if stack == "shared" else COLOUR_MODULES:
        importlib.import_module(module)
    imported = time.perf_counter() - began

    from tests.harness.lab_stacks import read_configuration, record_stack

    configuration = read_configuration()
    builds: list[float] = []
    resources = 0
    for _ in range(REPETITIONS + 1):
        began = time.perf_counter()
        resources = len(record_stack(stack, configuration).registrations)
        builds.append(time.perf_counter() - began)
    return {
        "import_seconds": imported,
        "first_build_seconds": builds[0],
        "build_seconds": builds[1:],
        "resources": resources,
        "imported": [name for name in EXCLUSIVE if name in sys.modules],
    }


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])))
