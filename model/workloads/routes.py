"""Ways in: which host name leads where, and who must log in before."""

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.base import Value
from model.exclusive import Colour
from model.registries import own_label
from model.secrets import SecretReference
from model.workloads.names import DnsLabel


class ForwardAuth(Value):
    """The ingress asks Authelia before each request; the application itself needs no login."""

    kind: Literal["forward-auth"] = "forward-auth"


class NativeOidc(Value):
    """The application logs its users in at Authelia itself."""

    kind: Literal["native-oidc"] = "native-oidc"
    client: str
    """Client id at Authelia."""
    client_secret: SecretReference | None
    """None for a client without a secret, such as a command line."""
    callback: str = Field(pattern=r"^/")
    """Path below the route to which Authelia sends users back."""
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")


class ApiKey(Value):
    """Programs call it, each with a key that the application checks."""

    kind: Literal["api-key"] = "api-key"
    key: SecretReference


class BasicAuth(Value):
    """Programs call it with a name and a password, which the ingress checks before the request passes."""

    kind: Literal["basic-auth"] = "basic-auth"
    username: str = Field(pattern=r"^[a-z][-a-z0-9]*$")
    password: SecretReference


class OwnLogin(Value):
    """The application has users and passwords of its own, which Authelia does not know."""

    kind: Literal["own-login"] = "own-login"


class Open(Value):
    """Nobody is asked. Its host and path must be on the lab's list of open routes, which has the reason."""

    kind: Literal["open"] = "open"


Authentication = Annotated[
    ForwardAuth | NativeOidc | ApiKey | BasicAuth | OwnLogin | Open, Field(discriminator="kind")
]
"""Who must log in. It has no default: whoever adds a route decides."""


class OpenRoute(Value):
    """A route that asks nobody, or only itself, and why that is right."""

    host: DnsLabel
    path: str = "/"
    reason: str = Field(min_length=10)


class Route(Value):
    """A host name below the lab's domain, and the service that answers."""

    host: DnsLabel
    """The label before the domain."""
    service: DnsLabel
    """A service of the application's namespace."""
    port: int = Field(ge=1, le=65535)
    authentication: Authentication
    path: str = Field(default="/", pattern=r"^/")
    """Only requests below this path."""
    tunnelled: bool = False
    """Whether the Internet reaches it through the tunnel too, when the colour holds the tunnel."""
    at_address: bool = False
    """Whether the host name ends with the ingress' address, so that each colour can be asked, whichever serves."""
    with_own_name: bool = False
    """Whether it answers to a name with the colour in it, too (`harbor-green`), which leads to no other colour."""

    @model_validator(mode="after")
    def _the_internet_is_asked(self) -> "Route":
        if self.tunnelled and isinstance(self.authentication, ForwardAuth | BasicAuth):
            raise ValueError(
                f"{self.host}: the tunnel leads past the ingress, so nobody would be asked for a login; "
                "let the application log in itself, or do not tunnel it"
            )
        return self

    @model_validator(mode="after")
    def _a_colour_is_asked_from_inside(self) -> "Route":
        if self.at_address and (self.tunnelled or isinstance(self.authentication, NativeOidc)):
            raise ValueError(
                f"{self.host}: its name ends with an address, but the tunnel and Authelia's clients know one name for "
                "both; guard it by the ingress"
            )
        return self

    def name(self, domain: str) -> str:
        """The whole host name, the same in both colours."""
        return f"{self.host}.{domain}"

    def name_at(self, address: IPv4Address, domain: str) -> str:
        """The whole host name at an ingress of this address."""
        return name_at_address(self.host, address, domain) if self.at_address else self.name(domain)
    def own_name(self, domain: str, colour: Colour) -> str:
        """The host name that leads to one colour, whichever is live."""
        return f"{own_label(self.host, colour)}.{domain}"

    @property
    def needs_listing(self) -> bool:
        """Whether it must be on the list of open routes."""
        return isinstance(self.authentication, Open | OwnLogin)


def name_at_address(host: str, address: IPv4Address, domain: str) -> str:
    """A host name that each colour has one of, without its name in it; one certificate of the domain is for all."""
    return f"{host}-{str(address).replace('.', '-')}.{domain}"


def login_secret_name(route: Route) -> str:
    """Name of the Secret with `username` and `password` of a route that the ingress guards with them."""
    return f"{route.host}-login"
