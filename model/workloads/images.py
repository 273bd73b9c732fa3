"""Container images that stay what they are."""

import re
from typing import Annotated

from pydantic import AfterValidator

_REFERENCE = re.compile(
    r"^(?P<host>[a-z0-9.-]+(?::\d+)?)/(?P<path>[a-z0-9._/-]+?)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
_MOVING = frozenset({"latest", "stable", "edge", "nightly", "main", "master", "dev", "develop"})


def _image(text: str) -> str:
    match = _REFERENCE.match(text)
    if match is None or "." not in match["host"]:
        raise ValueError(f"`{text}` is no image with its registry; write e.g. docker.io/library/busybox:1.37.0")
    if match["digest"] is not None:
        return text
    tag = match["tag"]
    if tag is None or tag in _MOVING or not re.search(r"\d", tag):
        raise ValueError(f"`{text}` may be another image tomorrow; pin it by a version or a digest")
    return text


Image = Annotated[str, AfterValidator(_image)]
"""An image with its registry, pinned by a version tag or a digest."""
