"""The Cloudflare account: offsite bucket, tunnel, public names, cache. Imported by the `shared` stack alone."""

import pulumi
import pulumi_cloudflare as cloudflare

from components.options import child_options
from model.cloud import Cloudflare, OffsiteBucket

NOT_FOUND = "http_status:404"
"""What the tunnel answers to names it does not serve."""

AUTOMATIC_TTL = 1


class OffsiteStorage(pulumi.ComponentResource):
    """The R2 bucket of offsite copies with its lock and its lifecycle."""

    bucket_name: pulumi.Output[str]

    def __init__(
        self, name: str, *, account_id: str, bucket: OffsiteBucket, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:cloudflare:OffsiteStorage", name, None, opts)
        resource = cloudflare.R2Bucket(
            f"offsite-{bucket.name}",
            account_id=account_id,
            name=bucket.name,
            location=bucket.location,
            storage_class=bucket.storage_class,
            opts=child_options(self, opts),
        )
        cloudflare.R2BucketLock(
            f"offsite-{bucket.name}-lock",
            account_id=account_id,
            bucket_name=resource.name,
            rules=[
                cloudflare.R2BucketLockRuleArgs(
                    id="retain",
                    enabled=True,
                    condition=cloudflare.R2BucketLockRuleConditionArgs(type="Age", max_age_seconds=bucket.lock),
                )
            ],
            opts=child_options(self, opts),
        )
        cloudflare.R2BucketLifecycle(
            f"offsite-{bucket.name}-lifecycle",
            account_id=account_id,
            bucket_name=resource.name,
            rules=[
                cloudflare.R2BucketLifecycleRuleArgs(
                    id="expire",
                    enabled=True,
                    conditions=cloudflare.R2BucketLifecycleRuleConditionsArgs(prefix=""),
                    delete_objects_transition=cloudflare.R2BucketLifecycleRuleDeleteObjectsTransitionArgs(
                        condition=cloudflare.R2BucketLifecycleRuleDeleteObjectsTransitionConditionArgs(
                            type="Age", max_age=bucket.expire_after
                        )
                    ),
                    abort_multipart_uploads_transition=(
                        cloudflare.R2BucketLifecycleRuleAbortMultipartUploadsTransitionArgs(
                            condition=(
                                cloudflare.R2BucketLifecycleRuleAbortMultipartUploadsTransitionConditionArgs(
                                    type="Age", max_age=bucket.abort_uploads_after
                                )
                            )
                        )
                    ),
                )
            ],
            opts=child_options(self, opts),
        )
        self.bucket_name = resource.name
        self.register_outputs({"bucket_name": self.bucket_name})


class PublicEdge(pulumi.ComponentResource):
    """The tunnel into the house, the public names it serves, and the cache in front of them."""

    tunnel_id: pulumi.Output[str]

    def __init__(
        self, name: str, *, domain: str, account: Cloudflare, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("lab:cloudflare:PublicEdge", name, None, opts)
        tunnel = cloudflare.ZeroTrustTunnelCloudflared(
            "tunnel",
            account_id=account.account_id,
            name=account.tunnel.name,
            config_src="cloudflare",
            opts=child_options(self, opts),
        )
        ingress = [
            cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressArgs(
                hostname=f"{public.label}.{domain}", service=public.service
            )
            for public in account.tunnel.names
        ]
        cloudflare.ZeroTrustTunnelCloudflaredConfig(
            "tunnel-config",
            account_id=account.account_id,
            tunnel_id=tunnel.id,
            source="cloudflare",
            config=cloudflare.ZeroTrustTunnelCloudflaredConfigConfigArgs(
                ingresses=[
                    *ingress,
                    cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressArgs(service=NOT_FOUND),
                ]
            ),
            opts=child_options(self, opts),
        )
        for public in account.tunnel.names:
            cloudflare.DnsRecord(
                f"public-{public.label}",
                zone_id=account.zone_id,
                name=f"{public.label}.{domain}",
                type="CNAME",
                content=pulumi.Output.concat(tunnel.id, ".cfargotunnel.com"),
                proxied=True,
                ttl=AUTOMATIC_TTL,
                opts=child_options(self, opts),
            )
        cloudflare.TieredCache("tiered-cache", zone_id=account.zone_id, value="on", opts=child_options(self, opts))
        self.tunnel_id = tunnel.id
        self.register_outputs({"tunnel_id": self.tunnel_id})
