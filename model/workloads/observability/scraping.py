"""What Prometheus reads outside the cluster: follows from the inventory, so a new host brings its targets."""

from collections.abc import Iterable
from ipaddress import IPv4Address

from pydantic import Field

from model.base import Value
from model.hardware import HostName
from model.lab import Lab
from model.network import NetworkName
from model.units import Seconds
from model.workloads.custom.prometheus import (
    BasicLogin,
    Relabelling,
    Scheme,
    ScrapeConfigSpec,
    StaticTargets,
    TlsConfiguration,
)
from model.workloads.custom.selectors import SecretKey
from model.workloads.names import DnsLabel
from model.workloads.observability.rules import duration

NODE_EXPORTER, CEPH_MANAGER, SMARTCTL, SYSTEMD, NUT, HTTPS_PORT = 9100, 9283, 9633, 9558, 9199, 443

NODE_JOB, CEPH_JOB, PROXMOX_JOB, UPS_JOB = "node", "ceph", "proxmox", "ups"
"""Jobs that alerts ask for."""


class Target(Value):
    """One address that has metrics, and what it is called."""

    address: IPv4Address
    port: int = Field(ge=1, le=65535)
    instance: str
    """Name of the thing, as people know it; label `instance`."""
    labels: dict[str, str] = Field(default_factory=dict)


class Login(Value):
    """Keys of a Secret with name and password."""

    secret: DnsLabel
    username: str
    password: str

    @property
    def entry(self) -> BasicLogin:
        """As the operator has it."""
        return BasicLogin(
            username=SecretKey(name=self.secret, key=self.username),
            password=SecretKey(name=self.secret, key=self.password),
        )


class ScrapeJob(Value):
    """Targets of one kind."""

    name: DnsLabel
    targets: tuple[Target, ...] = Field(min_length=1)
    scheme: Scheme = Scheme.HTTP
    path: str = Field(default="/metrics", pattern=r"^/")
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    login: Login | None = None
    verified: bool = True
    """False where the target has a certificate that it signed itself."""
    asked_through: str | None = None
    """`host:port` of an exporter that asks the target in turn; None where the target has metrics of its own."""

    def spec(self, interval: Seconds) -> ScrapeConfigSpec:
        """As the operator has it."""
        return ScrapeConfigSpec(
            job_name=self.name,
            scheme=self.scheme,
            metrics_path=self.path,
            scrape_interval=duration(interval),
            params=self.parameters or None,
            basic_auth=None if self.login is None else self.login.entry,
            tls_config=None if self.verified else TlsConfiguration(insecure_skip_verify=True),
            static_configs=tuple(self._static(target) for target in self.targets),
            relabelings=None if self.asked_through is None else _through(self.asked_through),
        )

    def _static(self, target: Target) -> StaticTargets:
        # An exporter that asks for others is told the address alone.
        place = str(target.address) if self.asked_through is not None else f"{target.address}:{target.port}"
        return StaticTargets(targets=(place,), labels={"instance": target.instance, **target.labels})


class Exporters(Value):
    """How the things outside the cluster are asked."""

    network: NetworkName
    """The network in which hosts answer."""
    proxmox: str
    """`host:port` of the exporter that asks Proxmox."""
    console: Login
    """Of the remote consoles."""


def scrape_jobs(lab: Lab, exporters: Exporters) -> tuple[ScrapeJob, ...]:
    """Every job outside the cluster, by what the inventory has; a kind of which there is none has no job."""
    hosts = tuple((host, host.addresses[exporters.network]) for host in lab.hypervisors)

    def on_hosts(port: int) -> tuple[Target, ...]:
        return tuple(Target(address=address, port=port, instance=host.name) for host, address in hosts)

    firewall = lab.firewall
    machines = on_hosts(NODE_EXPORTER)
    if firewall.address is not None:
        machines += (Target(address=firewall.address, port=NODE_EXPORTER, instance=firewall.name),)
    jobs = (
        (NODE_JOB, machines, {}),
        ("smartctl", on_hosts(SMARTCTL), {}),
        ("systemd", on_hosts(SYSTEMD), {}),
        (CEPH_JOB, tuple(_ceph(lab)), {}),
        (UPS_JOB, tuple(_batteries(lab, exporters.network)), {"path": "/ups_metrics"}),
        (
            "pikvm",
            tuple(_consoles(lab)),
            {
                "scheme": Scheme.HTTPS,
                "path": "/api/export/prometheus/metrics",
                "login": exporters.console,
                "verified": False,
            },
        ),
        (
            PROXMOX_JOB,
            on_hosts(8006),
            {"path": "/pve", "asked_through": exporters.proxmox, "parameters": {"cluster": ("1",), "node": ("1",)}},
        ),
    )
    return tuple(
        ScrapeJob.model_validate({"name": name, "targets": targets, **settings})
        for name, targets, settings in jobs
        if targets
    )


def _ceph(lab: Lab) -> Iterable[Target]:
    """Every manager: the one in charge has metrics, the others answer with nothing. One runs beside each monitor."""
    for name in lab.ceph.monitors:
        address = lab.host(name).addresses[lab.ceph.public_network]
        yield Target(address=address, port=CEPH_MANAGER, instance=name, labels={"cluster": str(lab.ceph.fsid)})


def _batteries(lab: Lab, network: NetworkName) -> Iterable[Target]:
    for supply in lab.power_supplies:
        if supply.watched_by is not None:
            address = lab.host(HostName(supply.watched_by)).addresses[network]
            yield Target(address=address, port=NUT, instance=supply.name, labels={"__param_ups": supply.name})


def _consoles(lab: Lab) -> Iterable[Target]:
    for console in lab.consoles:
        if console.address is not None:
            yield Target(address=console.address, port=HTTPS_PORT, instance=console.name)


def _through(exporter: str) -> tuple[Relabelling, ...]:
    return (
        Relabelling(source_labels=("__address__",), target_label="__param_target"),
        Relabelling(target_label="__address__", replacement=exporter),
    )


class PodTarget(Value):
    """Pods of the platform that have metrics."""

    name: DnsLabel
    """Job of their series."""
    namespace: DnsLabel
    labels: dict[str, str] = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    path: str = Field(default="/metrics", pattern=r"^/")
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    secure: bool = False
    """Whether they speak TLS, with a certificate of an authority that only the cluster knows."""
