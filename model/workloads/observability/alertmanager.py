"""Where alerts are sent: the configuration of Alertmanager, in its own spelling."""

from collections.abc import Iterator

from pydantic import Field, model_validator

from model.base import Value
from model.units import Seconds
from model.workloads.names import DnsLabel
from model.workloads.observability.lab_rules import HEARTBEAT
from model.workloads.observability.rules import Severity, duration, hours, minutes

SECRETS_DIRECTORY = "/etc/alertmanager/secrets"
"""Where the operator mounts the Secrets that Alertmanager is given."""

NOBODY, OWNER, WATCHMAN = "nobody", "owner", "watchman"
GROUP_LABELS = ("alertname", "namespace")


class Webhook(Value):
    """A URL that is called. It is in a file, because who knows it may send."""

    url_file: str = Field(pattern=r"^/")
    send_resolved: bool = True


class Receiver(Value):
    """Who gets alerts, and by which ways."""

    name: DnsLabel
    webhook_configs: tuple[Webhook, ...] = ()


class Branch(Value):
    """Alerts of one kind, and who gets them."""

    receiver: str
    matchers: tuple[str, ...] = Field(min_length=1)
    group_wait: str
    group_interval: str
    repeat_interval: str


class Tree(Value):
    """The first branch that an alert fits decides; without one the root does."""

    receiver: str
    group_by: tuple[str, ...]
    group_wait: str
    group_interval: str
    repeat_interval: str
    routes: tuple[Branch, ...]


class Inhibition(Value):
    """Alerts that say nothing new while others are there."""

    source_matchers: tuple[str, ...]
    target_matchers: tuple[str, ...]
    equal: tuple[str, ...]


class AlertmanagerConfiguration(Value):
    """Alertmanager's configuration file."""

    route: Tree
    receivers: tuple[Receiver, ...]
    inhibit_rules: tuple[Inhibition, ...]

    @model_validator(mode="after")
    def _sends_to_somebody(self) -> "AlertmanagerConfiguration":
        known = {receiver.name for receiver in self.receivers}
        lacking = [name for name in self._named() if name not in known]
        if lacking:
            raise ValueError(f"alerts go to {', '.join(lacking)}; the receivers are {', '.join(sorted(known))}")
        return self

    def _named(self) -> Iterator[str]:
        yield self.route.receiver
        yield from (branch.receiver for branch in self.route.routes)


class Alerting(Value):
    """Who is told of alerts."""

    secret: DnsLabel
    """Secret in Alertmanager's namespace with the URLs; there before Vault is, so that its sealing can be told."""
    owner_key: str
    """Key of the URL that reaches a person."""
    watchman_key: str
    """Key of the URL that must be called again and again; its own alarm goes when it is not."""
    heartbeat: Seconds = minutes(5)


def alertmanager_configuration(alerting: Alerting) -> AlertmanagerConfiguration:
    """Critical alerts soon and again every four hours, warnings once a day, the heartbeat to who waits for it."""
    directory = f"{SECRETS_DIRECTORY}/{alerting.secret}"
    return AlertmanagerConfiguration(
        route=Tree(
            receiver=NOBODY,
            group_by=GROUP_LABELS,
            group_wait=duration(minutes(1)),
            group_interval=duration(minutes(5)),
            repeat_interval=duration(hours(24)),
            routes=(
                Branch(
                    receiver=WATCHMAN,
                    matchers=(f'alertname="{HEARTBEAT}"',),
                    group_wait="0s",
                    group_interval=duration(alerting.heartbeat),
                    repeat_interval=duration(alerting.heartbeat),
                ),
                _branch(Severity.CRITICAL, wait=Seconds(30), again=hours(4)),
                _branch(Severity.WARNING, wait=minutes(5), again=hours(24)),
            ),
        ),
        receivers=(
            Receiver(name=NOBODY),
            Receiver(name=OWNER, webhook_configs=(Webhook(url_file=f"{directory}/{alerting.owner_key}"),)),
            Receiver(
                name=WATCHMAN,
                webhook_configs=(Webhook(url_file=f"{directory}/{alerting.watchman_key}", send_resolved=False),),
            ),
        ),
        inhibit_rules=(
            Inhibition(
                source_matchers=(f'severity="{Severity.CRITICAL}"',),
                target_matchers=(f'severity="{Severity.WARNING}"',),
                equal=GROUP_LABELS,
            ),
        ),
    )


def _branch(severity: Severity, *, wait: Seconds, again: Seconds) -> Branch:
    return Branch(
        receiver=OWNER,
        matchers=(f'severity="{severity}"',),
        group_wait=duration(wait),
        group_interval=duration(minutes(5)),
        repeat_interval=duration(again),
    )
