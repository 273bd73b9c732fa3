"""The custom resource definitions that the lab's operators bring, by bundle; see `docs/twin/custom-resources.md`.

Most are generated from the operators' own Go types when the tools are built; those whose types cannot be had are
written here, one module for each bundle.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Final

from tools.build import CacheDirectory, installed
from tools.recipe import CUSTOM_RESOURCES
from twin.kubernetes.api import Object
from twin.kubernetes.custom_resources import (
    amd_gpu,
    cloudflare_operator,
    dragonfly,
    intel_device_plugins,
    kube_elasti,
    vault_operator,
)

GENERATED: Final = tuple(generation.module for generation in CUSTOM_RESOURCES.generate)
"""Bundles that are generated."""

WRITTEN: Final[Mapping[str, tuple[Object, ...]]] = {
    "amd-gpu": amd_gpu.DEFINITIONS,
    "cloudflare-operator": cloudflare_operator.DEFINITIONS,
    "dragonfly": dragonfly.DEFINITIONS,
    "intel-device-plugins": intel_device_plugins.DEFINITIONS,
    "kube-elasti": kube_elasti.DEFINITIONS,
    "vault-operator": vault_operator.DEFINITIONS,
}
"""Bundles that are written by hand."""

BUNDLES: Final = tuple(sorted((*GENERATED, *WRITTEN)))
"""Every bundle."""


class BundleError(Exception):
    """A bundle cannot be had; the message says why and what helps."""


def bundle(name: str, cache: Path) -> list[Object]:
    """The definitions of a bundle, as they are sent to an API server; `cache` is where the tools are kept.

    BundleError when there is no such bundle, or the generated ones have not been built.
    """
    if name in WRITTEN:
        return [deepcopy(one) for one in WRITTEN[name]]
    if name not in GENERATED:
        raise BundleError(f"no bundle of custom resources is called {name}; there are {', '.join(BUNDLES)}")
    built = installed(CUSTOM_RESOURCES, CacheDirectory(cache))
    if built is None:
        raise BundleError(
            f"the custom resources of {name} have not been generated in {cache}; `./lab up` on the twin builds "
            f"{CUSTOM_RESOURCES.name} once, in about {CUSTOM_RESOURCES.expected_minutes:g} minutes"
        )
    return json.loads((built / f"{name}.json").read_text())
