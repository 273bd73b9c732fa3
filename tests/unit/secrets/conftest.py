"""A caller with an age key, and a SOPS file for it."""

from pathlib import Path

import pytest

from tests.unit.secrets.samples import AgeKey, encrypt, nested, sound_values


@pytest.fixture
def age_key(tmp_path: Path) -> AgeKey:
    return AgeKey.make(tmp_path / "age.key")


@pytest.fixture
def other_key(tmp_path: Path) -> AgeKey:
    return AgeKey.make(tmp_path / "other.key")


@pytest.fixture
def secrets_file(tmp_path: Path, age_key: AgeKey) -> Path:
    """A file that the sample schema takes, for `age_key`."""
    return encrypt(tmp_path / "secrets.enc.json", nested(sound_values()), age_key)
