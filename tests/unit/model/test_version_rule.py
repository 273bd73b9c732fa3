"""Image references: which of them say which image they are."""

import pytest

from model.rules.versions import KUBERNETES_MINORS, floating

_DIGEST = "@sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "image",
    [
        "quay.io/cilium/cilium-cli:v0.18.9",
        "harbor.lab:5000/cilium/cilium-cli:v0.18.9",
        "cilium-cli:0.18",
        f"quay.io/cilium/cilium-cli{_DIGEST}",
        f"quay.io/cilium/cilium-cli:latest{_DIGEST}",
    ],
)
def test_a_pinned_image_is_accepted(image: str):
    assert floating(image) is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("quay.io/cilium/cilium-cli", "has no tag"),
        ("harbor.lab:5000/cilium/cilium-cli", "has no tag"),
        ("cilium-cli:", "has no tag"),
        ("cilium-cli:latest", "moving tag `latest`"),
        ("cilium-cli:Main", "moving tag `Main`"),
        ("quay.io/cilium/cilium-cli@sha256:1234", "has a digest that is none"),
    ],
)
def test_a_floating_image_is_refused(image: str, reason: str):
    assert reason in (floating(image) or "")


def test_the_support_table_has_no_gap_between_talos_minors():
    minors = sorted(minor for _, minor in KUBERNETES_MINORS)
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert all(first <= last for first, last in KUBERNETES_MINORS.values())
