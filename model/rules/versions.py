"""I11: versions, images and cluster ids that must agree do agree."""

import re
from collections import Counter
from collections.abc import Iterator

from model.cluster import NodeShape, Schematic
from model.configuration import Configuration, source
from model.hardware import Vendor
from model.lab import Lab
from model.rules.near_miss import near_miss
from model.rules.places import Part, place
from model.violation import Rule, Source, Violation

KUBERNETES_MINORS: dict[tuple[int, int], tuple[int, int]] = {
    (1, 9): (27, 32),
    (1, 10): (28, 33),
    (1, 11): (29, 34),
    (1, 12): (30, 35),
    (1, 13): (31, 36),
}
"""First and last Kubernetes 1.x that each Talos minor runs.

Source: package `compatibility` of github.com/siderolabs/talos/pkg/machinery v1.13.9.
"""

MODULE_EXTENSIONS = {
    "amdgpu": frozenset({"amdgpu"}),
    "i915": frozenset({"i915"}),
    "xe": frozenset({"xe"}),
    "thunderbolt": frozenset({"thunderbolt"}),
    "thunderbolt-net": frozenset({"thunderbolt"}),
    "thunderbolt_net": frozenset({"thunderbolt"}),
}
"""Kernel modules that Talos' own kernel image lacks, and the extensions that bring them."""

DRIVER_EXTENSIONS = {
    Vendor.AMD: frozenset({"amdgpu"}),
    Vendor.INTEL: frozenset({"i915", "xe"}),
}
"""Extensions of which one drives an accelerator of the vendor."""

GUEST_AGENT = "qemu-guest-agent"

MOVING_TAGS = frozenset({"latest", "main", "master", "edge", "nightly", "dev", "develop", "stable", "head", "canary"})
"""Tags that name another image tomorrow."""

GTT_TOLERANCE = 0.01
"""How far the GPU driver's memory limit may stay below that of the memory manager below it."""

_GTT_MEBIBYTES = "amdgpu.gttsize"
_TTM_PAGES = "ttm.pages_limit"
_TTM_POOL_PAGES = "ttm.page_pool_size"
_PAGES_PER_MEBIBYTE = 256
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_VERSION = re.compile(r"^\d+\.\d+\.\d+$")


def versions(lab: Lab, configuration: Configuration) -> list[Violation]:
    """Talos, Kubernetes, schematics, images, kernel arguments and the Ceph id fit each other; nothing floats."""
    return [
        *_releases(lab, configuration),
        *_images(lab),
        *_ceph_id(lab),
        *_schematics(lab),
        *_drivers(lab),
        *_kernel_arguments(lab),
    ]


def _releases(lab: Lab, configuration: Configuration) -> Iterator[Violation]:
    known = [release.talos for release in lab.cluster.releases]
    for colour, settings in configuration.colours.items():
        if settings.talos_version not in known:
            yield _violation(
                f"{colour} is to run Talos {settings.talos_version}, a release this lab does not know",
                source(colour, "talos_version"),
                f"{near_miss(settings.talos_version, known)} Or add it to the releases.",
                _cluster("releases"),
            )
    for release in lab.cluster.releases:
        where = _cluster(f"releases[{release.talos}]")
        talos_major, talos_minor, _ = release.talos.removeprefix("v").split(".")
        bounds = KUBERNETES_MINORS.get((int(talos_major), int(talos_minor)))
        if bounds is None:
            yield _violation(
                f"nothing is known of which Kubernetes Talos {release.talos} runs",
                where,
                "look it up in Talos' support matrix and add it to KUBERNETES_MINORS in model/rules/versions.py",
            )
            continue
        major, minor, _ = release.kubernetes.split(".")
        first, last = bounds
        if int(major) != 1 or not first <= int(minor) <= last:
            yield _violation(
                f"Talos {release.talos} does not run Kubernetes {release.kubernetes}",
                where,
                f"choose Kubernetes 1.{first} to 1.{last}, or another Talos",
            )


def _images(lab: Lab) -> Iterator[Violation]:
    cilium = lab.cluster.cilium
    problem = floating(cilium.installer_image)
    if problem is not None:
        yield _violation(
            f"the image `{cilium.installer_image}` {problem}: tomorrow it may be another one",
            _cluster("cilium", "installer_image"),
            "name a version tag or a digest (@sha256:…)",
        )
    if not _VERSION.match(cilium.version):
        yield _violation(
            f"`{cilium.version}` is no version of Cilium", _cluster("cilium", "version"), "write it as 1.18.4, no v"
        )
    for image in lab.installers:
        for field, text in (("file_name", image.file_name), ("url", str(image.url))):
            # A folder of a mirror may be called "stable"; what counts is the file's own name.
            words = re.split(r"[^a-z]+", text.lower().rsplit("/", 1)[-1])
            tag = next((word for word in words if word in MOVING_TAGS), None)
            if tag is not None:
                yield _violation(
                    f"the installer image {image.name} is called `{tag}`: tomorrow it may be another one",
                    place(Part.INSTALLERS, field, item=image.name),
                    "name the file of one version",
                )
        if not str(image.url).endswith(f"/{image.file_name}"):
            yield _violation(
                f"the installer image {image.name} is kept as {image.file_name}, but {image.url} is another file",
                place(Part.INSTALLERS, "file_name", item=image.name),
                "make the file name the last part of the URL, so that a new version is a new file",
                place(Part.INSTALLERS, "url", item=image.name),
            )


def floating(image: str) -> str | None:
    """Why an image reference does not say which image it is; None when it does."""
    if _DIGEST.search(image):
        return None
    if "@" in image:
        return "has a digest that is none"
    _, colon, tag = image.rsplit("/", 1)[-1].partition(":")
    if not colon or not tag:
        return "has no tag"
    if tag.lower() in MOVING_TAGS:
        return f"has the moving tag `{tag}`"
    return None


def _ceph_id(lab: Lab) -> Iterator[Violation]:
    if lab.cluster.csi_cluster_id != lab.ceph.fsid:
        yield _violation(
            f"the CSI drivers look for Ceph cluster {lab.cluster.csi_cluster_id}, but the cluster's FSID is "
            f"{lab.ceph.fsid}: no volume would mount",
            _cluster("csi_cluster_id"),
            "write `csi_cluster_id=CEPH.fsid`, so that the id stands in one place",
            place(Part.CEPH, "fsid"),
        )


def _schematics(lab: Lab) -> Iterator[Violation]:
    schematics = {schematic.name: schematic for schematic in lab.cluster.schematics}
    for schematic in schematics.values():
        where = _cluster(f"schematics[{schematic.name}]", "extensions")
        for extension, times in Counter(schematic.extensions).items():
            if times > 1:
                yield _violation(f"schematic {schematic.name} has `{extension}` {times} times", where, "name it once")
            if "/" in extension:
                yield _violation(
                    f"schematic {schematic.name} has `{extension}`, which is not a bare extension name",
                    where,
                    f"write `{extension.rsplit('/', 1)[-1]}`",
                )
    for shape in lab.cluster.shapes:
        where = _shape(shape)
        schematic = schematics.get(shape.schematic)
        if schematic is None:
            yield _violation(
                f"the shape {shape.role} is built from schematic `{shape.schematic}`, which does not exist",
                where,
                near_miss(shape.schematic, schematics),
                _cluster("schematics"),
            )
            continue
        for module in shape.kernel_modules:
            wanted = MODULE_EXTENSIONS.get(module.name, frozenset())
            if wanted and not wanted & set(schematic.extensions):
                yield _lacking(
                    schematic, f"the kernel module `{module.name}` of shape {shape.role}", wanted, where
                )
        if not shape.role.is_metal and GUEST_AGENT not in schematic.extensions:
            yield _lacking(schematic, f"virtual machines of shape {shape.role}", frozenset({GUEST_AGENT}), where)


def _drivers(lab: Lab) -> Iterator[Violation]:
    cards = {card.name: card for card in lab.accelerators}
    shapes = {shape.role: shape for shape in lab.cluster.shapes}
    schematics = {schematic.name: schematic for schematic in lab.cluster.schematics}
    told: set[tuple[str, Vendor]] = set()
    for node in lab.cluster.placements:
        shape = shapes.get(node.role)
        schematic = None if shape is None else schematics.get(shape.schematic)
        card = None if node.accelerator is None else cards.get(node.accelerator)
        if shape is None or schematic is None or card is None:
            continue
        vendor = card.vendor
        wanted = DRIVER_EXTENSIONS[vendor]
        # A module that lacks its extension is told with the shape.
        by_module = any(MODULE_EXTENSIONS.get(module.name, frozenset()) & wanted for module in shape.kernel_modules)
        if not wanted & set(schematic.extensions) and not by_module and (schematic.name, vendor) not in told:
            told.add((schematic.name, vendor))
            yield _lacking(
                schematic, f"accelerator {node.accelerator} of node {node.suffix}", wanted, _shape(shape)
            )


def _kernel_arguments(lab: Lab) -> Iterator[Violation]:
    for schematic in lab.cluster.schematics:
        where = _cluster(f"schematics[{schematic.name}]", "kernel_arguments")
        pairs = [argument.partition("=") for argument in schematic.kernel_arguments]
        for key, times in Counter(key for key, _, _ in pairs).items():
            if times > 1 and key != "console":
                yield _violation(
                    f"schematic {schematic.name} gives the kernel argument `{key}` {times} times",
                    where,
                    "give it once; the kernel takes the last one silently",
                )
        values = {key: value for key, _, value in pairs}
        yield from _graphics_memory(schematic, values, where)
        for shape in lab.cluster.shapes:
            if shape.schematic != schematic.name:
                continue
            for module in shape.kernel_modules:
                for parameter in module.parameters:
                    key = f"{module.name}.{parameter.partition('=')[0]}"
                    if key in values:
                        yield _violation(
                            f"`{key}` is set as kernel argument of schematic {schematic.name} and as module parameter "
                            f"of shape {shape.role}; sooner or later they differ",
                            _shape(shape),
                            "set it in one of the two places",
                            where,
                        )


def _graphics_memory(schematic: Schematic, values: dict[str, str], where: Source) -> Iterator[Violation]:
    """The GPU driver asks for memory in MiB, and the manager below it limits pages: both must mean one size."""
    wrong = [key for key in (_GTT_MEBIBYTES, _TTM_PAGES, _TTM_POOL_PAGES) if not values.get(key, "1").isdecimal()]
    for key in wrong:
        yield _violation(
            f"`{key}={values[key]}` of schematic {schematic.name} is no number",
            where,
            "write the number of MiB for `gttsize`, of pages of 4 KiB for `ttm`",
        )
    if wrong or _GTT_MEBIBYTES not in values:
        return
    mebibytes = int(values[_GTT_MEBIBYTES])
    wanted = mebibytes * _PAGES_PER_MEBIBYTE
    if _TTM_PAGES not in values:
        yield _violation(
            f"schematic {schematic.name} gives the GPU {mebibytes} MiB by `{_GTT_MEBIBYTES}`, but no `{_TTM_PAGES}`: "
            "the kernel stops at half the memory",
            where,
            f"add `{_TTM_PAGES}={wanted}`",
        )
        return
    limit = int(values[_TTM_PAGES])
    if not wanted <= limit <= wanted * (1 + GTT_TOLERANCE):
        yield _violation(
            f"schematic {schematic.name} gives the GPU {mebibytes} MiB by `{_GTT_MEBIBYTES}`, but "
            f"{limit // _PAGES_PER_MEBIBYTE} MiB by `{_TTM_PAGES}={limit}`",
            where,
            f"make `{_TTM_PAGES}` {wanted}, or `{_GTT_MEBIBYTES}` {limit // _PAGES_PER_MEBIBYTE}",
        )
    if int(values.get(_TTM_POOL_PAGES, "0")) > limit:
        yield _violation(
            f"`{_TTM_POOL_PAGES}` of schematic {schematic.name} is more than `{_TTM_PAGES}`",
            where,
            f"set it to {limit} or less",
        )


def _lacking(schematic: Schematic, what: str, wanted: frozenset[str], where: Source) -> Violation:
    names = " or ".join(f"`{name}`" for name in sorted(wanted))
    return _violation(
        f"schematic {schematic.name} lacks the extension {names}, which {what} needs",
        where,
        f"add it to the extensions of {schematic.name}, or build the shape from another schematic",
        _cluster(f"schematics[{schematic.name}]"),
    )


def _cluster(*path: str) -> Source:
    return place(Part.CLUSTER, *path)


def _shape(shape: NodeShape) -> Source:
    return _cluster(f"shapes[{shape.role}]")


def _violation(message: str, where: Source, fix: str, *also: Source) -> Violation:
    return Violation(rule=Rule.VERSIONS, message=message, where=where, also=also, fix=fix)
