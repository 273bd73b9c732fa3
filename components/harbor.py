"""What is set in a colour's Harbor: caches of others' registries, logins, rules. Imported where Harbor is built."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumiverse_harbor as harbor

from components.options import child_options
from model.registries import LIBRARY, ROBOT_PREFIX, RegistryMirror
from model.workloads.harbor import ADMINISTRATOR, HarborSettings, Robot
from model.workloads.routes import NativeOidc
from model.workloads.schedules import with_seconds

LIBRARY_ID = "/projects/1"
"""Harbor makes the project of the lab's own images when it starts for the first time, before all others."""
NAME_OF_LOGIN = "Authelia"
ANY = "**"
MOST_JOBS = 2
"""Collecting and scanning at once would starve the disks."""


@dataclass(frozen=True)
class HarborAccess:
    """How the program reaches a colour's Harbor, and what it takes along."""

    url: str
    """By the name of the colour's own: another one leads to whichever colour is live."""
    password: pulumi.Output[str]
    client_secret: pulumi.Output[str]
    tokens: Sequence[pulumi.Output[str]]
    """Of the robots, in the order of the settings."""
    by: Sequence[pulumi.Resource]
    """Harbor answers there once these are ready."""
    harbor: pulumi.Resource
    """What installed it: with it goes all that was set."""


class HarborContent(pulumi.ComponentResource):
    """Everything that would otherwise be clicked together in Harbor, and would live in its database alone."""

    ready: Sequence[pulumi.Resource]
    """There once images can be pulled, and pushed by the robots."""

    def __init__(
        self,
        name: str,
        *,
        settings: HarborSettings,
        mirrors: Sequence[RegistryMirror],
        login: NativeOidc,
        issuer: str,
        access: HarborAccess,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`issuer` is the URL of who logs people in."""
        super().__init__("lab:harbor:HarborContent", name, None, opts)
        provider = harbor.Provider(
            "harbor",
            url=access.url,
            username=ADMINISTRATOR,
            password=access.password,
            insecure=False,
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=list(access.by))),
        )
        # A Harbor that is taken down takes its content along; to ask it for that would only fail when it is ill.
        own = child_options(
            self,
            opts,
            pulumi.ResourceOptions(provider=provider, depends_on=list(access.by), deleted_with=access.harbor),
        )
        login_settings = _login(login, issuer, settings, access.client_secret, own)
        system = harbor.ConfigSystem(
            "harbor-system",
            project_creation_restriction="adminonly",
            robot_name_prefix=ROBOT_PREFIX,
            robot_token_expiration=-1,
            # A scan is no use of an image: it would keep every copy for ever.
            scanner_skip_update_pulltime=True,
            opts=own,
        )
        caches = [_cache(mirror, settings, own) for mirror in mirrors]
        harbor.ImmutableTagRule(
            "harbor-library-tags", project_id=LIBRARY_ID, repo_matching=ANY, tag_matching=ANY, opts=own
        )
        after_system = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=[system]))
        robots = [
            _robot(robot, token, after_system) for robot, token in zip(settings.robots, access.tokens, strict=True)
        ]
        harbor.GarbageCollection(
            "harbor-collection",
            schedule=with_seconds(settings.collect),
            delete_untagged=True,
            workers=MOST_JOBS,
            opts=own,
        )
        harbor.InterrogationServices(
            "harbor-scan", vulnerability_scan_policy=with_seconds(settings.scan), opts=own
        )
        self.ready = (login_settings, *caches, *robots)
        self.register_outputs({"projects": [LIBRARY, *(mirror.project for mirror in mirrors)]})


def _login(
    login: NativeOidc,
    issuer: str,
    settings: HarborSettings,
    secret: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """People log in at Authelia. Harbor's own administrator still can when that is away."""
    return harbor.ConfigAuth(
        "harbor-login",
        auth_mode="oidc_auth",
        primary_auth_mode=True,
        oidc_name=NAME_OF_LOGIN,
        oidc_endpoint=issuer,
        oidc_client_id=login.client,
        oidc_client_secret=secret,
        oidc_scope=",".join(login.scopes),
        oidc_groups_claim="groups",
        oidc_admin_group=settings.administrators,
        oidc_user_claim="preferred_username",
        oidc_auto_onboard=True,
        oidc_verify_cert=True,
        opts=opts,
    )


def _cache(mirror: RegistryMirror, settings: HarborSettings, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A registry of others, the project that its images are pulled through, and how long these are kept."""
    registry = harbor.Registry(
        f"registry-{mirror.project}",
        name=mirror.project,
        provider_name=str(mirror.kind),
        endpoint_url=mirror.endpoint,
        opts=opts,
    )
    project = harbor.Project(
        f"project-{mirror.project}",
        name=mirror.project,
        # Nodes pull without a login, as they would from the registry itself.
        public=True,
        registry_id=registry.registry_id,
        # Copies only: what is in it is no reason to keep it.
        force_destroy=True,
        opts=opts,
    )
    harbor.RetentionPolicy(
        f"retention-{mirror.project}",
        scope=project.id,
        schedule=with_seconds(settings.tidy),
        rules=[
            harbor.RetentionPolicyRuleArgs(
                n_days_since_last_pull=settings.caches_keep,
                repo_matching=ANY,
                tag_matching=ANY,
                untagged_artifacts=True,
            )
        ],
        opts=opts,
    )
    return project


def _robot(robot: Robot, token: pulumi.Output[str], opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A login of a system's level, so that its name does not depend on a project's."""
    return harbor.RobotAccount(
        f"robot-{robot.name}",
        name=robot.name,
        description=robot.purpose,
        level="system",
        duration=-1,
        secret=token,
        permissions=[
            harbor.RobotAccountPermissionArgs(
                kind="project",
                namespace=robot.project,
                accesses=[
                    harbor.RobotAccountPermissionAccessArgs(resource="repository", action=str(right))
                    for right in robot.rights
                ],
            )
        ],
        opts=opts,
    )
