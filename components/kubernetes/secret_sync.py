"""From the SOPS file into Vault: one run for each content of the file."""

from collections.abc import Sequence
from hashlib import sha256

import pulumi
from pulumi_kubernetes import core, meta

from components.kubernetes.namespaces import BootstrapSecrets
from components.kubernetes.objects import CustomResource, Metadata
from components.kubernetes.operators import WORKFLOWS_NAMESPACE
from components.kubernetes.provided import Definitions, Provided
from components.kubernetes.runs import locked, run_account
from components.kubernetes.vault import AUTHORITY_KEY, AUTHORITY_SECRET, KUBERNETES_AUTH, MOUNT, SYNC_ROLE, Writer
from components.options import child_options
from model.secrets import SECRETS_FILE, SecretPath, Tree
from model.workloads.custom.argo_workflows import Container, RetryStrategy, Template, Workflow, WorkflowSpec
from model.workloads.platform import Releases

ACCOUNT = "sops-vault-sync"
GOOGLE_SECRET, GOOGLE_KEY = "gcp-sops-sa", "service-account.json"
ENCRYPTED, CLEAR, GOOGLE, AUTHORITY = "/encrypted", "/clear", "/google", "/authority"
DEADLINE = 1800
"""Seconds: on a new cluster Vault may still be starting."""

WRITER = Writer(namespace=WORKFLOWS_NAMESPACE, account=ACCOUNT)
"""Who writes into Vault."""

DECRYPT = f"""\
set -eu
for path in "$@"; do
  mkdir -p "{CLEAR}/$(dirname "$path")"
  folder="${{path%%/*}}"; name="${{path#*/}}"
  sops decrypt --extract "[\\"{Tree.VAULT}\\"][\\"$folder\\"][\\"$name\\"]" --output-type json \
    "{ENCRYPTED}/{SECRETS_FILE}" > "{CLEAR}/$path.json"
done
"""
"""Each path of the file into a file of its own; in memory, never on a disk."""

WRITE = f"""\
set -eu
token="$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)"
VAULT_TOKEN="$(vault write -field=token auth/{KUBERNETES_AUTH}/login role={SYNC_ROLE} jwt="$token")"
export VAULT_TOKEN
for path in "$@"; do
  vault kv put -mount={MOUNT} "$path" "@{CLEAR}/$path.json" > /dev/null
  echo "$path"
done
"""
"""Each of them into Vault. Only the paths are told, never a value."""


class SecretSync(pulumi.ComponentResource):
    """Copies the SOPS file into Vault. The file lies in the cluster as it lies in git: encrypted.

    The run is named by the file's content, so another content is another run and the same content is none.
    """

    filled: pulumi.Resource
    """Vault has what the file has once it is there."""

    def __init__(
        self,
        name: str,
        *,
        encrypted: str,
        paths: Sequence[SecretPath],
        releases: Releases,
        server: Provided[str],
        workflows: Definitions,
        secrets: BootstrapSecrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`encrypted` is the text of the SOPS file; `paths` are those of the tree that goes into Vault."""
        super().__init__("lab:kubernetes:SecretSync", name, None, opts)
        google = secrets.secret(WORKFLOWS_NAMESPACE, GOOGLE_SECRET)
        account = run_account(
            "secret-sync", ACCOUNT, WORKFLOWS_NAMESPACE, needs=[google.by], opts=child_options(self, opts)
        )
        content = core.v1.ConfigMap(
            "secrets-file",
            metadata=meta.v1.ObjectMetaArgs(name="secrets-file", namespace=WORKFLOWS_NAMESPACE),
            data={SECRETS_FILE: encrypted},
            opts=child_options(self, opts, pulumi.ResourceOptions(depends_on=[google.by])),
        )
        digest = sha256("\n".join((encrypted, *paths, DECRYPT, WRITE)).encode()).hexdigest()[:10]
        self.filled = CustomResource(
            "secret-sync",
            metadata=Metadata(name=f"{ACCOUNT}-{digest}", namespace=WORKFLOWS_NAMESPACE),
            content=Workflow(spec=_run(paths, releases, server.value)),
            definitions=workflows,
            opts=child_options(
                self, opts, pulumi.ResourceOptions(depends_on=[account, content, server.by])
            ),
        )
        self.register_outputs({"content": digest})


def _run(paths: Sequence[SecretPath], releases: Releases, server: str) -> WorkflowSpec:
    return WorkflowSpec(
        entrypoint="sync",
        service_account_name=ACCOUNT,
        retry_strategy=RetryStrategy(limit="10"),
        active_deadline_seconds=DEADLINE,
        volumes=(
            {"name": "encrypted", "configMap": {"name": "secrets-file"}},
            {"name": "google", "secret": {"secretName": GOOGLE_SECRET}},
            {"name": "clear", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "authority", "secret": {"secretName": AUTHORITY_SECRET}},
        ),
        templates=(
            Template(
                name="sync",
                init_containers=(
                    Container(
                        name="decrypt",
                        image=releases.sops,
                        command=("sh", "-c", DECRYPT, "decrypt"),
                        args=tuple(paths),
                        env=({"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": f"{GOOGLE}/{GOOGLE_KEY}"},),
                        volume_mounts=(
                            {"name": "encrypted", "mountPath": ENCRYPTED, "readOnly": True},
                            {"name": "google", "mountPath": GOOGLE, "readOnly": True},
                            {"name": "clear", "mountPath": CLEAR},
                        ),
                        security_context=locked(),
                    ),
                ),
                container=Container(
                    image=releases.vault,
                    command=("sh", "-c", WRITE, "write"),
                    args=tuple(paths),
                    env=(
                        {"name": "VAULT_ADDR", "value": server},
                        {"name": "VAULT_CACERT", "value": f"{AUTHORITY}/{AUTHORITY_KEY}"},
                    ),
                    volume_mounts=(
                        {"name": "clear", "mountPath": CLEAR, "readOnly": True},
                        {"name": "authority", "mountPath": AUTHORITY, "readOnly": True},
                    ),
                    security_context=locked(),
                ),
            ),
        ),
    )
