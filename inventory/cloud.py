"""Cloudflare and Google Cloud."""

from model.cloud import (
    BucketName,
    Cloud,
    Cloudflare,
    EncryptionKey,
    GoogleCloud,
    GoogleService,
    OffsiteBucket,
    PublicName,
    ServiceAccount,
    Tunnel,
)
from model.units import DAY, Seconds

CLOUD = Cloud(
    cloudflare=Cloudflare(
        # Neither id is published; put your own here.
        account_id="00000000000000000000000000000001",
        zone_id="00000000000000000000000000000002",
        bucket=OffsiteBucket(
            name=BucketName("seaweedfs"),
            location="wnam",
            storage_class="Standard",
            lock=Seconds(14 * DAY),
            expire_after=Seconds(90 * DAY),
            abort_uploads_after=Seconds(7 * DAY),
        ),
        tunnel=Tunnel(
            name="bhamm-lab",
            names=(
                PublicName(label="docs", service="http://docs.docs.svc.cluster.local:80"),
                PublicName(label="site", service="http://site.site.svc.cluster.local:80"),
            ),
        ),
    ),
    google=GoogleCloud(
        project="bhamm-lab",
        region="us-central1",
        services=(GoogleService.KEY_MANAGEMENT, GoogleService.VERTEX_AI, GoogleService.IDENTITY),
        encryption_key=EncryptionKey(ring="sops-key-ring", name="sops-key", rotation=Seconds(7776000)),
        secrets_account=ServiceAccount(
            account_id="gcp-sops-decrypt",
            purpose="Decrypts secrets.enc.json",
            key_roles=("roles/cloudkms.cryptoKeyDecrypter",),
        ),
        inference_account=ServiceAccount(
            account_id="vertex-inference",
            purpose="Calls Vertex AI models for the gateway",
            project_roles=("roles/aiplatform.user",),
        ),
    ),
)
