"""Times in cron's notation: whether the operator would understand them. Nothing is run by them on the twin."""

import re
from typing import Final

from twin.operators.cluster import NotReadyError

_FIELD: Final = re.compile(r"(\*|\?|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/\d+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/\d+)?)*")
_LIMITS: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DESCRIPTORS: Final = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)(-random)?|@every \S+")


def refuse_schedule(schedule: str, *, where: str, fields: int) -> None:
    """NotReadyError unless it is a schedule of so many fields (6: the first is seconds), or a descriptor."""
    if _DESCRIPTORS.fullmatch(schedule):
        return
    parts = schedule.split()
    if len(parts) != fields:
        raise NotReadyError(
            "InvalidSchedule", f"{where}: expected exactly {fields} fields, found {len(parts)}: {schedule!r}"
        )
    for part, (lowest, highest) in zip(parts, _LIMITS[len(_LIMITS) - fields :], strict=True):
        numbers = [int(number) for number in re.findall(r"(?<![/\d])\d+", part)]
        if not _FIELD.fullmatch(part) or any(not lowest <= number <= highest for number in numbers):
            raise NotReadyError("InvalidSchedule", f"{where}: {part!r} of {schedule!r} is not in {lowest}-{highest}")
