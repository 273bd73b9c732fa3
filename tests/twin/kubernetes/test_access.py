"""Kubeconfigs: what is read of them, and what is refused."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.kubernetes.access import Access, KubeconfigError, read_kubeconfig, with_proxy, write_kubeconfig

ACCESS = Access(server="https://10.0.30.30:6443", authority="authority", certificate="certificate", key="key")


def document() -> dict[str, Any]:
    return yaml.safe_load(write_kubeconfig("green", "admin", ACCESS))


def test_what_is_written_is_read() -> None:
    assert read_kubeconfig(write_kubeconfig("green", "admin", ACCESS)) == ACCESS


def test_a_proxy_is_added_and_kept() -> None:
    text = with_proxy(write_kubeconfig("green", "admin", ACCESS), "http://127.0.0.1:21000")
    assert read_kubeconfig(text).proxy == "http://127.0.0.1:21000"
    again = with_proxy(text, "http://127.0.0.1:21001")
    assert read_kubeconfig(again).proxy == "http://127.0.0.1:21001"


def test_certificates_may_be_in_files(tmp_path: Path) -> None:
    found = document()
    (tmp_path / "authority.pem").write_text("from a file")
    cluster = found["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = str(tmp_path / "authority.pem")
    assert read_kubeconfig(yaml.safe_dump(found)).authority == "from a file"


def test_a_context_is_chosen_by_name() -> None:
    found = document()
    found["contexts"].append({"name": "other", "context": {"cluster": "green", "user": "admin"}})
    found["current-context"] = "gone"
    assert read_kubeconfig(yaml.safe_dump(found), "other") == ACCESS
    with pytest.raises(KubeconfigError, match="no context named gone in `contexts`; it has green, other"):
        read_kubeconfig(yaml.safe_dump(found))


def insecure(found: dict[str, Any]) -> None:
    found["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True


def in_clear(found: dict[str, Any]) -> None:
    found["clusters"][0]["cluster"]["server"] = "http://10.0.30.30:6443"


def without_key(found: dict[str, Any]) -> None:
    del found["users"][0]["user"]["client-key-data"]


def no_base64(found: dict[str, Any]) -> None:
    found["users"][0]["user"]["client-key-data"] = "!"


def not_text(found: dict[str, Any]) -> None:
    found["users"][0]["user"]["client-key-data"] = base64.b64encode(b"\xff").decode()


def absent_file(found: dict[str, Any]) -> None:
    found["users"][0]["user"]["client-key"] = "/nowhere/key.pem"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (insecure, "insecure-skip-tls-verify"),
        (in_clear, "only https is spoken"),
        (without_key, "`client-key-data` of the user of context green is missing"),
        (no_base64, "is not PEM in base64"),
        (not_text, "is not PEM in base64"),
        (absent_file, "names /nowhere/key.pem, which cannot be read"),
    ],
)
def test_what_is_not_verified_is_refused(change: Any, message: str) -> None:
    found = document()
    change(found)
    with pytest.raises(KubeconfigError, match=message):
        read_kubeconfig(yaml.safe_dump(found))


@pytest.mark.parametrize("text", ["", "[]", "a: [", "clusters: []"])
def test_what_is_no_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(KubeconfigError, match="kubeconfig"):
        read_kubeconfig(text)
