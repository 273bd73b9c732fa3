"""Kubeconfigs: how a client reaches an API server, read and written."""

import base64
import binascii
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from model.base import Value
from twin.directory import write_private


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be used; the message says what is wrong, and where."""


class Access(Value):
    """Where an API server is, whom to trust there, and as whom. Holds a private key."""

    server: str
    """`https://HOST:PORT`."""
    authority: str
    """PEM certificates of the authorities that may have signed the server's certificate."""
    certificate: str
    """PEM."""
    key: str
    """PEM."""
    proxy: str | None = None
    """HTTP proxy that the connection is asked of (CONNECT), None to go straight."""

    def ssl_context(self) -> ssl.SSLContext:
        """Verifies the server against `authority` alone, and shows the client's certificate."""
        context = ssl.create_default_context(cadata=self.authority)
        # Python takes a certificate from a file only.
        with tempfile.TemporaryDirectory(prefix="lab-client-") as directory:
            pair = Path(directory) / "client.pem"
            write_private(pair, f"{self.certificate}\n{self.key}\n".encode())
            context.load_cert_chain(pair)
        return context


def read_kubeconfig(text: str, context: str | None = None) -> Access:
    """The access of one context (None: the current one); KubeconfigError when it is no verified one."""
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise KubeconfigError(f"the kubeconfig is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError("the kubeconfig is no mapping with `clusters`, `contexts` and `users`")
    wanted = context or document.get("current-context")
    if not wanted:
        raise KubeconfigError("the kubeconfig has no `current-context`, and no context was named")
    chosen = _entry(document, "contexts", "context", wanted)
    cluster = _entry(document, "clusters", "cluster", _text(chosen, f"context {wanted}", "cluster"))
    user = _entry(document, "users", "user", _text(chosen, f"context {wanted}", "user"))
    where = f"the cluster of context {wanted}"
    server = _text(cluster, where, "server")
    if urlsplit(server).scheme != "https":
        raise KubeconfigError(f"`server` of {where} is {server}; only https is spoken, because TLS is verified")
    if cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError(f"{where} has `insecure-skip-tls-verify`; give `certificate-authority-data` in its place")
    whom = f"the user of context {wanted}"
    return Access(
        server=server.rstrip("/"),
        authority=_data(cluster, where, "certificate-authority"),
        certificate=_data(user, whom, "client-certificate"),
        key=_data(user, whom, "client-key"),
        proxy=cluster.get("proxy-url") or None,
    )


def write_kubeconfig(name: str, user: str, access: Access) -> str:
    """A kubeconfig with one cluster, user and context, the current one, called `name`."""
    cluster: dict[str, str] = {"server": access.server, "certificate-authority-data": _encoded(access.authority)}
    if access.proxy is not None:
        cluster["proxy-url"] = access.proxy
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encoded(access.certificate),
                    "client-key-data": _encoded(access.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def with_proxy(text: str, proxy: str) -> str:
    """The kubeconfig with every cluster of it reached through the proxy."""
    document = yaml.safe_load(text)
    for entry in document["clusters"]:
        entry["cluster"]["proxy-url"] = proxy
    return yaml.safe_dump(document, sort_keys=False)


def _entry(document: Mapping[str, Any], section: str, body: str, name: str) -> Mapping[str, Any]:
    entries: Sequence[Mapping[str, Any]] = document.get(section) or ()
    for entry in entries:
        if entry.get("name") == name:
            return entry.get(body) or {}
    known = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    raise KubeconfigError(f"the kubeconfig has no {body} named {name} in `{section}`; it has {known}")


def _text(entry: Mapping[str, Any], where: str, key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise KubeconfigError(f"`{key}` of {where} is missing in the kubeconfig")
    return value


def _data(entry: Mapping[str, Any], where: str, key: str) -> str:
    """PEM text, given in the kubeconfig itself or in a file that it names."""
    if path := entry.get(key):
        try:
            return Path(path).read_text()
        except OSError as error:
            raise KubeconfigError(f"`{key}` of {where} names {path}, which cannot be read: {error.strerror}") from error
    try:
        return base64.b64decode(_text(entry, where, f"{key}-data"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise KubeconfigError(f"`{key}-data` of {where} is not PEM in base64") from error


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
