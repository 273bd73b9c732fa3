"""Names as Kubernetes and the DNS take them."""

from typing import Annotated, NewType

from pydantic import Field

from model.secrets import ApplicationName

DNS_LABEL = r"^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$"
DNS_NAME = r"^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+$"

DnsLabel = Annotated[str, Field(pattern=DNS_LABEL)]
"""RFC 1123 label: at most 63 lower-case letters, digits and inner hyphens."""

DnsName = Annotated[str, Field(pattern=DNS_NAME, max_length=253)]
"""A host name with its domain; a leading `*.` is a wildcard."""

NamespaceName = NewType("NamespaceName", str)

__all__ = ["ApplicationName", "DnsLabel", "DnsName", "NamespaceName"]
