"""Annotations by which an object tells the rules what a person decided about it."""

from typing import Final

from model.workloads.keeping import Disposable, Keeping

DISPOSABLE: Final = "lab/disposable"
"""On a volume claim or a database cluster: why nobody will miss its content."""

AUTHENTICATION: Final = "lab/authentication"
"""On an IngressRoute: who asks for a login, by the kinds of `model.workloads.routes`."""


def keeping_annotations(keeping: Keeping) -> dict[str, str]:
    """Of what holds data: nothing where it is kept, else why it need not be."""
    return {DISPOSABLE: keeping.reason} if isinstance(keeping, Disposable) else {}
