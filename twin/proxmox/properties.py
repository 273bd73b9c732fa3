"""Property strings: `lvm:vm-110-disk-0,discard=on,size=60G`."""

import re
from dataclasses import dataclass, field

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class PropertyString:
    """Properties in order; `default_key` names the one that may be written without its name."""

    default_key: str
    properties: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, default_key: str) -> "PropertyString":
        """ValueError when a part has no name and is not the first."""
        found: dict[str, str] = {}
        for position, part in enumerate(text.split(",")):
            name, equals, value = part.strip().partition("=")
            if not part.strip():
                continue
            if not equals:
                if position > 0:
                    raise ValueError(f"value without key, but schema does not define a default key: '{part}'")
                name, value = default_key, part.strip()
            if name in found:
                raise ValueError(f"duplicate key in comma-separated list property: {name}")
            found[name] = value
        return cls(default_key, found)

    def get(self, name: str) -> str | None:
        """The value, None when the property is absent."""
        return self.properties.get(name)

    def with_properties(self, **changes: str | None) -> "PropertyString":
        """A copy with properties set, or removed where the value is None; `_` in a name stands for `-`."""
        renamed = {name.replace("_", "-"): value for name, value in changes.items()}
        merged: dict[str, str | None] = {**self.properties, **renamed}
        return PropertyString(self.default_key, {n: v for n, v in merged.items() if v is not None})

    def __str__(self) -> str:
        first = self.properties.get(self.default_key)
        rest = sorted((n, v) for n, v in self.properties.items() if n != self.default_key)
        return ",".join(([first] if first is not None else []) + [f"{n}={v}" for n, v in rest])


def parse_size(text: str) -> int:
    """Bytes of `60G`, `4M`, `528K` or a bare number of bytes; ValueError otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if match is None:
        raise ValueError(f"unable to parse size '{text}'")
    return int(float(match[1]) * _UNITS[match[2]])


def format_size(size: int) -> str:
    """The size as Proxmox VE writes it: the largest unit that divides it."""
    for unit in ("T", "G", "M", "K"):
        if size >= _UNITS[unit] and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)
