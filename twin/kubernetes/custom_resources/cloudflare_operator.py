"""The Cloudflare operator: tunnels, and the services that are reached through them."""

from typing import Final

from twin.kubernetes.custom_resources.schemas import (
    BOOLEAN,
    TEXT,
    Schema,
    definition,
    integer,
    items,
    one_of,
    structure,
)

GROUP: Final = "networking.cfargotunnel.com"


def _key(name: str) -> Schema:
    return {**TEXT, "default": name}


_TUNNEL: Final = structure(
    {
        "spec": structure(
            {
                "cloudflare": structure(
                    {
                        "accountId": TEXT,
                        "accountName": TEXT,
                        "domain": TEXT,
                        "email": TEXT,
                        "secret": TEXT,
                        **{
                            name: _key(name)
                            for name in (
                                "CLOUDFLARE_API_KEY",
                                "CLOUDFLARE_API_TOKEN",
                                "CLOUDFLARE_TUNNEL_CREDENTIAL_FILE",
                                "CLOUDFLARE_TUNNEL_CREDENTIAL_SECRET",
                            )
                        },
                    }
                ),
                "existingTunnel": structure({"id": TEXT, "name": TEXT}),
                "newTunnel": structure({"name": TEXT}),
                "fallbackTarget": {**TEXT, "default": "http_status:404"},
                "protocol": {**one_of("auto", "quic", "http2"), "default": "auto"},
                "noTlsVerify": {**BOOLEAN, "default": False},
                "originCaPool": TEXT,
                "deployPatch": {**TEXT, "default": "{}"},
            }
        ),
        "status": structure({"tunnelId": TEXT, "tunnelName": TEXT, "accountId": TEXT, "zoneId": TEXT}),
    }
)
_SUBJECT: Final = structure(
    {
        "kind": {**TEXT, "default": "Service"},
        "name": TEXT,
        "spec": structure(
            {
                "fqdn": TEXT,
                "protocol": TEXT,
                "path": TEXT,
                "target": TEXT,
                "caPool": TEXT,
                "noTlsVerify": {**BOOLEAN, "default": False},
                "http2Origin": {**BOOLEAN, "default": False},
                "proxyAddress": {**TEXT, "default": "127.0.0.1"},
                "proxyPort": {**integer(minimum=0, maximum=65_535), "default": 0},
                "proxyType": {**one_of("", "socks"), "default": ""},
            }
        ),
    },
    "name",
)

DEFINITIONS: Final = (
    *(
        definition(
            f"{GROUP}/v1alpha2",
            kind,
            f"{kind.lower()}s",
            _TUNNEL,
            namespaced=kind == "Tunnel",
            columns={"TunnelID": ".status.tunnelId"},
        )
        for kind in ("ClusterTunnel", "Tunnel")
    ),
    definition(
        f"{GROUP}/v1alpha1",
        "TunnelBinding",
        "tunnelbindings",
        structure(
            {
                "subjects": items(_SUBJECT),
                "tunnelRef": structure(
                    {
                        "kind": one_of("ClusterTunnel", "Tunnel", "clustertunnel", "tunnel"),
                        "name": TEXT,
                        "disableDNSUpdates": BOOLEAN,
                    },
                    "kind",
                    "name",
                ),
                "status": structure(
                    {
                        "hostnames": TEXT,
                        "services": items(structure({"hostname": TEXT, "target": TEXT}, "hostname", "target")),
                    },
                    "hostnames",
                    "services",
                ),
            },
            "subjects",
            "tunnelRef",
        ),
        columns={"FQDNs": ".status.hostnames"},
    ),
)
