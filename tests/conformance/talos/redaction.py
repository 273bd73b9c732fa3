"""Machine configurations without secrets: each is replaced by the name it has in the cluster's secrets."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar with its path, e.g. `machine.install.disk` and `machine.network.interfaces[0].mtu`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def redact(configuration: str, machine_secrets: Mapping[str, Any]) -> str:
    """The text with `<certs.os.key>` and the like in place of the secrets and certificates."""
    named = sorted(leaves(machine_secrets), key=lambda leaf: len(str(leaf[1])), reverse=True)
    for name, value in named:
        configuration = configuration.replace(str(value), f"<{name}>")
    return configuration
