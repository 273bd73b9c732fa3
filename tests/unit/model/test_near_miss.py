"""What a misspelt name was probably meant to be."""

import pytest

from model.rules.near_miss import near_miss

_KNOWN = ("arc-a310", "r9700", "nose", "tail", "public-dns", "webhook-receiver")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("arc-a380", "arc-a310"),
        ("A310", "arc-a310"),
        ("Nose", "nose"),
        ("tial", "tail"),
        ("webhook", "webhook-receiver"),
        ("publicdns", "public-dns"),
    ],
)
def test_the_nearest_name_is_offered(written: str, meant: str):
    assert near_miss(written, _KNOWN) == f"did you mean `{meant}`?"


@pytest.mark.parametrize("written", ["", "e", "zebra", "receiver-of-everything-else"])
def test_without_a_near_one_all_are_offered(written: str):
    assert near_miss(written, ("nose", "tail")) == "there are `nose`, `tail`"


def test_half_a_name_that_two_have_offers_all():
    assert near_miss("strix-halo", ("strix-halo-nose-of-the-rack", "strix-halo-tail-of-the-rack")).startswith("there")


def test_nothing_known_offers_nothing():
    assert near_miss("nose", ()) == "there are none yet"
