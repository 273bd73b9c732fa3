"""Container images that stay what they are."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from model.base import Value
from model.registries import LIBRARY
from model.workloads.names import DnsLabel

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


def _tag(text: str) -> str:
    if not re.fullmatch(r"[\w][\w.-]{0,127}", text) or text in _MOVING or not re.search(r"\d", text):
        raise ValueError(f"the tag `{text}` may be another image tomorrow; take the version that was built")
    return text


class BuiltImage(Value):
    """An image that the lab builds itself and keeps in its own registry, pinned by tag or digest or both."""

    kind: Literal["built"] = "built"
    folder: DnsLabel
    """Of the repository, with the Dockerfile; also the image's name."""
    tag: Annotated[str, AfterValidator(_tag)] | None = None
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _is_pinned(self) -> "BuiltImage":
        if self.tag is None and self.digest is None:
            raise ValueError(f"the image {self.folder} may be another one tomorrow; pin it by a tag or a digest")
        return self

    def reference(self, registry: str) -> str:
        """As pods name it; `registry` is the host name of the lab's own registry."""
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{registry}/{LIBRARY}/{self.folder}{tag}{digest}"
