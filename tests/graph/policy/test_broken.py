"""Every broken copy of the lab's own cluster is refused for exactly what is wrong with it."""

import dataclasses
from dataclasses import dataclass, field

import pytest

from model.configuration import BackupRole
from model.violation import Rule, Violation
from model.workloads.annotations import AUTHENTICATION, DISPOSABLE
from policy.graph import Graph
from policy.properties import SECRET
from policy.rules import RULES, check
from policy.surroundings import Surroundings
from tests.graph.policy.changed_graph import (
    Change,
    all_of,
    copied,
    hurried,
    lab,
    moved,
    put,
    registered,
    replaced,
    sound,
    taken,
    waiting,
    with_resources,
    without,
)

CLUSTER = "Cluster test/test-postgresql"
CLAIM = "PersistentVolumeClaim test/test"
DEPLOYMENT = "Deployment test/test"
ROUTE = "IngressRoute test/test"
PUSH = "IngressRoute monitor/loki-loki-api-v1-push"
SCHEDULE = "Schedule test/backup"
STORE = "ObjectStore test/test-postgresql-archive"
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
SOURCE = ("spec", "source")
BACKUP_ANNOTATION = ("metadata", "annotations", "k8up.io/backup")
INTEL_CARDS, AMD_CARDS = "GpuDevicePlugin graphics-cards", "DeviceConfig amd/graphics-cards"
CARD = (*CONTAINER, "resources", "limits", "amd.com/gpu")
OLDER_FSID = "7b02e4a9-0000-4000-8000-000000000000"
BUCKET = "cloudflare:index/r2Bucket:R2Bucket"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"


def without_harbor(graph: Graph) -> Graph:
    """The cluster as it is below the layer `core`."""
    return Graph(one for one in graph.resources if "harbor" not in one.urn)


def harbor_at(url: str) -> Change:
    """The provider of what is set in Harbor, with another URL."""

    def change(graph: Graph) -> Graph:
        (provider,) = (one for one in graph.resources if one.token == "pulumi:providers:harbor")
        return replaced(graph, dataclasses.replace(provider, properties={**provider.properties, "url": url}))

    return change


@dataclass(frozen=True)
class Broken:
    """A changed copy, and what must be said of it."""

    name: str
    change: Change
    rule: Rule
    says: tuple[str, ...]
    at: str
    """Logical name of the resource and path of the property."""
    fix: str
    also: tuple[str, ...] = ()
    """Parts of the other owners."""
    lab: Surroundings = field(default_factory=lab)


def as_role(role: BackupRole) -> Surroundings:
    return lab().model_copy(update={"backup_roles": {"green": role, "blue": role}})


def setting(name: str, **entry: object) -> Change:
    """One more environment variable of the canary."""
    return put(DEPLOYMENT, (*CONTAINER, "env"), [{"name": name, **entry}])


def reading(secret: str, key: str) -> Change:
    return setting("PASSPHRASE_OF_IT", valueFrom={"secretKeyRef": {"name": secret, "key": key}})


def i915(number: int) -> Change:
    """A pod that holds shares of the Intel card."""
    wanted = {"gpu.intel.com/i915": number}
    return all_of(
        copied(DEPLOYMENT, "graphics", (("metadata", "name"), "graphics"), ((*POD, "volumes"), [])),
        put("Deployment test/graphics", (*CONTAINER, "resources"), {"requests": wanted, "limits": wanted}),
        put("Deployment test/graphics", (*POD, "tolerations"), [{"key": "intel.com/gpu", "operator": "Exists"}]),
    )


BINDINGS = registered(
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
    "bindings",
    {"spec": {"group": "networking.cfargotunnel.com", "names": {"kind": "TunnelBinding"}}},
)

ON_OTHER_STORAGE = put(SCHEDULE, ("spec", "backend", "s3", "bucket"), "elsewhere")

BROKEN = (
    # I5
    Broken(
        "two-databases-one-archive",
        all_of(
            copied(CLUSTER, "second", (("metadata", "name"), "second"), (("spec", "externalClusters"), [])),
            copied(
                "ScheduledBackup test/test-postgresql-backup", "second-backup",
                (("metadata", "name"), "second-backup"), (("spec", "cluster", "name"), "second"),
            ),
        ),
        Rule.BACKUP_WRITERS,
        ("Cluster test/second", CLUSTER, "both write the archive s3://cnpg-backups/test-postgresql-green-8"),
        "second: spec.plugins[0].parameters.serverName",
        "a `serverName` of its own",
        ("test-postgresql: spec.plugins[0].parameters",),
    ),
    Broken(
        "archived-where-it-was-recovered-from",
        put(CLUSTER, ("spec", "plugins", 0, "parameters", "serverName"), "test-postgresql-blue-7"),
        Rule.BACKUP_WRITERS,
        ("recovered from the archive s3://cnpg-backups/test-postgresql-blue-7 and writes to it",),
        "test-postgresql: spec.plugins[0].parameters.serverName",
        "another `serverName`",
        ("spec.externalClusters[0].plugin.parameters",),
    ),
    Broken(
        "two-schedules-of-one-namespace",
        copied(SCHEDULE, "again", (("metadata", "name"), "again")),
        Rule.BACKUP_WRITERS,
        ("Schedule test/again", SCHEDULE, "both back up namespace test to the repository k8up-backups"),
        "again: spec.backup",
        "keep one",
    ),
    Broken(
        "pruned-twice",
        copied("Schedule k8up/upkeep", "again", (("metadata", "name"), "again")),
        Rule.BACKUP_WRITERS,
        ("Schedule k8up/again of green and Schedule k8up/upkeep of green both prune",),
        "again: spec.prune",
        "prune once for everybody",
    ),
    Broken(
        "a-restorer-that-writes",
        without(SCHEDULE, "Schedule k8up/upkeep"),
        Rule.BACKUP_WRITERS,
        (f"{CLUSTER} archives to s3://cnpg-backups/test-postgresql-green-8, but green is `restorer`",),
        "test-postgresql: spec.plugins[0].parameters",
        "set `backup_role` to writer in Pulumi.green.yaml",
        lab=as_role(BackupRole.RESTORER),
    ),
    # I6
    Broken(
        "bucket-not-protected",
        with_resources(registered(BUCKET, "offsite", {}, retain_on_delete=True)),
        Rule.STATEFUL,
        ("R2Bucket offsite holds the offsite copies", "not protected"),
        "offsite: the resource itself",
        "protect=True",
    ),
    Broken(
        "guest-deleted-with-the-program",
        with_resources(
            registered("proxmoxve:index/vmLegacy:VmLegacy", "truenas", {}, stack="shared", protect=True)
        ),
        Rule.STATEFUL,
        ("VmLegacy truenas", "would delete the real thing"),
        "truenas: the resource itself",
        "retain_on_delete=True",
    ),
    # I7
    Broken(
        "volume-without-backup-or-reason",
        put(CLAIM, BACKUP_ANNOTATION, "false"),
        Rule.BACKUPS,
        ("volume claim test/test is not backed up, and nobody said why",),
        "test-test: metadata.annotations.k8up.io/backup",
        f"the annotation {DISPOSABLE}",
    ),
    Broken(
        "disposable-without-a-reason",
        all_of(put(CLAIM, BACKUP_ANNOTATION, "false"), put(CLAIM, ("metadata", "annotations", DISPOSABLE), "yes")),
        Rule.BACKUPS,
        ("test/test is called disposable without a reason",),
        f"test-test: metadata.annotations.{DISPOSABLE}",
        "where the content comes from again",
    ),
    Broken(
        "volume-without-schedule",
        without(SCHEDULE),
        Rule.BACKUPS,
        ("volume claim test/test is to be backed up, but namespace test has no schedule",),
        "test-test: the resource itself",
        "register a k8up Schedule",
    ),
    Broken(
        "repository-without-retention",
        ON_OTHER_STORAGE,
        Rule.BACKUPS,
        ("the repository elsewhere at http://seaweedfs-s3", "which nobody prunes: it has no retention"),
        "test-volumes: spec.backend",
        "prune.retention",
        ("test-test",),
    ),
    Broken(
        "claims-of-a-stateful-set",
        with_resources(
            registered(
                "kubernetes:apps/v1:StatefulSet", "queue",
                {
                    "metadata": {"name": "queue", "namespace": "default"},
                    "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]},
                },
            )
        ),
        Rule.BACKUPS,
        ("data of StatefulSet default/queue is not backed up",),
        "queue: spec.volumeClaimTemplates[0].metadata.annotations.k8up.io/backup",
        "keep it",
    ),
    Broken(
        "database-without-archive",
        taken(CLUSTER, ("spec", "plugins")),
        Rule.BACKUPS,
        (f"database {CLUSTER} is not archived, and nobody said why",),
        "test-postgresql: spec.plugins",
        "give it an archive",
    ),
    Broken(
        "database-without-base-backups",
        without("ScheduledBackup test/test-postgresql-backup"),
        Rule.BACKUPS,
        ("has no base backups on a schedule",),
        "test-postgresql: spec.plugins",
        "a ScheduledBackup of test-postgresql in test",
    ),
    Broken(
        "archive-without-retention",
        taken(STORE, ("spec", "retentionPolicy")),
        Rule.BACKUPS,
        (f"{STORE} keeps the archive of {CLUSTER} for ever",),
        "test-postgresql-archive: spec.retentionPolicy",
        "e.g. 30d",
    ),
    # I9
    Broken(
        "path-not-in-the-secrets-file",
        put("ExternalSecret test/backup-archive", ("spec", "data", 0, "remoteRef", "key"), "core/seaweed"),
        Rule.SECRET_REFERENCES,
        ("ExternalSecret test/backup-archive reads `core/seaweed`, which the secrets file does not have",),
        "backup-archive: spec.data[0].remoteRef.key",
        "core/seaweedfs",
    ),
    Broken(
        "property-not-in-the-secrets-file",
        put("ExternalSecret cert-manager/cloudflare-token", ("spec", "data", 0, "remoteRef", "property"), "token"),
        Rule.SECRET_REFERENCES,
        ("reads the property `token` of `", "`, which has only", "cloudflare-token"),
        "cloudflare-token: spec.data[0].remoteRef.property",
        "name one of these",
    ),
    Broken(
        "key-not-in-the-secret",
        reading("backup-repository", "password"),
        Rule.SECRET_REFERENCES,
        ("the key `password` of the Secret test/backup-repository, which has only access-key, repo-password",),
        "test-test: spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.key",
        "name one of these",
    ),
    Broken(
        "secret-of-another-namespace",
        reading("csi-rbd-secret", "userKey"),
        Rule.SECRET_REFERENCES,
        ("the Secret test/csi-rbd-secret, which nobody makes; namespace ceph has one",),
        "test-test: spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.name",
        "make it in test",
    ),
    Broken(
        "secret-mounted-that-nobody-makes",
        put(DEPLOYMENT, (*POD, "volumes", 1), {"name": "keys", "secret": {"secretName": "test-keys"}}),
        Rule.SECRET_REFERENCES,
        (f"{DEPLOYMENT} reads the Secret test/test-keys, which nobody makes",),
        "test-test: spec.template.spec.volumes[1].secret.secretName",
        "make it in test",
    ),
    Broken(
        "environment-of-a-secret-that-nobody-makes",
        put(DEPLOYMENT, (*CONTAINER, "envFrom"), [{"secretRef": {"name": "test-settings"}}]),
        Rule.SECRET_REFERENCES,
        ("the Secret test/test-settings, which nobody makes",),
        "test-test: spec.template.spec.containers[0].envFrom[0].secretRef.name",
        "make it in test",
    ),
    Broken(
        "driver-secret-misspelt",
        put("StorageClass csi-rbd-sc", ("parameters", "csi.storage.k8s.io/node-stage-secret-name"), "csi-rdb-secret"),
        Rule.SECRET_REFERENCES,
        ("StorageClass csi-rbd-sc reads the Secret ceph/csi-rdb-secret, which nobody makes",),
        "class-block: parameters.csi.storage.k8s.io/node-stage-secret-name",
        "make it in ceph",
    ),
    Broken(
        "password-in-an-environment",
        setting("SMTP_PASSWORD", value="hunter2"),
        Rule.SECRET_REFERENCES,
        (f"{DEPLOYMENT} has `SMTP_PASSWORD` in clear",),
        "test-test: spec.template.spec.containers[0].env[0].value",
        "read it from a Secret",
    ),
    Broken(
        "api-key-in-the-values-of-a-chart",
        put("Application argocd/k8up", (*SOURCE, "helm", "valuesObject", "pipelines"), {"apiKey": "0p3n-w3bui"}),
        Rule.SECRET_REFERENCES,
        ("application k8up has `apiKey` in clear",),
        "k8up: spec.source.helm.valuesObject.pipelines.apiKey",
        "read it from a Secret",
    ),
    Broken(
        "secret-for-a-chart-that-nobody-makes",
        put(
            "Application argocd/seaweedfs",
            (*SOURCE, "helm", "valuesObject", "filer", "s3", "existingConfigSecret"),
            "seaweedfs-s3-secret",
        ),
        Rule.SECRET_REFERENCES,
        ("application seaweedfs reads the Secret seaweedfs/seaweedfs-s3-secret, which nobody makes",),
        "seaweedfs: spec.source.helm.valuesObject.filer.s3.existingConfigSecret",
        "make it in seaweedfs",
    ),
    # I10
    Broken(
        "object-before-its-kind",
        hurried("ClusterIssuer letsencrypt", "Application argocd/cert-manager"),
        Rule.ORDER,
        ("ClusterIssuer letsencrypt needs the kind ClusterIssuer of cert-manager.io, but does not wait for",),
        "issuer-letsencrypt: the resource itself",
        "let it depend on cert-manager",
        ("cert-manager: the resource itself",),
    ),
    Broken(
        "database-before-its-storage-class",
        all_of(
            hurried(CLUSTER, "StorageClass csi-rbd-sc"),
            waiting(CLUSTER, "Namespace test", "Application argocd/cloudnative-pg"),
        ),
        Rule.ORDER,
        (f"{CLUSTER} needs the StorageClass csi-rbd-sc, but does not wait for class-block",),
        "test-postgresql: spec.storage.storageClass",
        "class-block",
    ),
    Broken(
        "storage-class-that-nobody-makes",
        put(CLAIM, ("spec", "storageClassName"), "ceph-rbd"),
        Rule.ORDER,
        ("volume claim test/test needs the StorageClass ceph-rbd, which nobody makes",),
        "test-test: spec.storageClassName",
        "use one of",
    ),
    Broken(
        "certificate-of-an-issuer-that-nobody-makes",
        put("Certificate traefik/wildcard", ("spec", "issuerRef", "name"), "letsencrypt-prod"),
        Rule.ORDER,
        ("Certificate traefik/wildcard needs the ClusterIssuer letsencrypt-prod, which nobody makes",),
        "wildcard: spec.issuerRef",
        "register the issuer",
    ),
    Broken(
        "namespace-that-nobody-makes",
        put("Role argo/sops-vault-sync", ("metadata", "namespace"), "argos"),
        Rule.ORDER,
        ("Role argos/sops-vault-sync needs the namespace argos, which nobody makes",),
        "secret-sync-role: metadata.namespace",
        "Pod Security",
    ),
    Broken(
        "store-at-an-endpoint-that-nobody-serves",
        put(STORE, ("spec", "configuration", "endpointURL"), "http://s3.garage.svc.cluster.local:3900"),
        Rule.ORDER,
        (f"{STORE} needs the service s3 in garage, which nobody makes",),
        "test-postgresql-archive: spec.configuration.endpointURL",
        "what answers there",
    ),
    Broken(
        "account-that-nobody-makes",
        put(DEPLOYMENT, (*POD, "serviceAccountName"), "tester"),
        Rule.ORDER,
        (f"{DEPLOYMENT} needs the ServiceAccount test/tester, which nobody makes",),
        "test-test: spec.template.spec.serviceAccountName",
        "register the account",
    ),
    Broken(
        "node-label-before-its-rule",
        put(DEPLOYMENT, (*POD, "nodeSelector"), {"intel.feature.node.kubernetes.io/gpu": "true"}),
        Rule.ORDER,
        ("needs the node label intel.feature.node.kubernetes.io/gpu, but does not wait for graphics-cards",),
        "test-test: spec.template.spec.nodeSelector.intel.feature.node.kubernetes.io/gpu",
        "graphics-cards",
        lab=lab().model_copy(update={"nodes": {}}),
    ),
    Broken(
        "plugin-before-the-label-of-its-nodes",
        hurried("Application argocd/intel-device-plugins", "NodeFeatureRule graphics-cards"),
        Rule.ORDER,
        (f"{INTEL_CARDS} needs the node label intel.feature.node.kubernetes.io/gpu, but does not wait for graphics-",),
        "intel-graphics-cards: spec.nodeSelector.intel.feature.node.kubernetes.io/gpu",
        "graphics-cards",
    ),
    Broken(
        "plugin-for-a-label-that-nobody-gives",
        put(AMD_CARDS, ("spec", "selector"), {"feature.node.kubernetes.io/amd-vgpu": "true"}),
        Rule.ORDER,
        (f"{AMD_CARDS} needs the node label feature.node.kubernetes.io/amd-vgpu, which nobody makes",),
        "amd-graphics-cards: spec.selector.feature.node.kubernetes.io/amd-vgpu",
        "register the rule",
    ),
    Broken(
        "card-before-its-plugin",
        put(DEPLOYMENT, CARD, "1"),
        Rule.ORDER,
        (f"{DEPLOYMENT} needs the resource amd.com/gpu, but does not wait for amd-graphics-cards, which makes it",),
        "test-test: spec.template.spec.containers[0].resources.limits.amd.com/gpu",
        "amd-graphics-cards",
        lab=lab().model_copy(update={"nodes": {}}),
    ),
    Broken(
        "card-that-nobody-announces",
        all_of(put(DEPLOYMENT, CARD, "1"), without(AMD_CARDS)),
        Rule.ORDER,
        (f"{DEPLOYMENT} needs the resource amd.com/gpu, which nobody makes",),
        "test-test: spec.template.spec.containers[0].resources.limits.amd.com/gpu",
        "register a DeviceConfig, in a colour that holds such a card",
        lab=lab().model_copy(update={"nodes": {}}),
    ),
    Broken(
        "kind-that-nobody-is-known-to-bring",
        with_resources(registered("kubernetes:example.com/v1:Widget", "one", {"metadata": {"name": "one"}})),
        Rule.ORDER,
        ("Widget one needs the kind Widget of example.com, which nobody makes",),
        "one: the resource itself",
        "BRINGERS",
    ),
    Broken(
        "circle",
        waiting("Namespace ceph", "StorageClass csi-rbd-sc"),
        Rule.ORDER,
        ("nothing of this can be made first:", "namespace-ceph", "class-block"),
        "",
        "take out one",
    ),
    Broken(
        "own-image-below-harbor",
        put(DEPLOYMENT, (*CONTAINER, "image"), "harbor.bhamm-lab.com/library/docs-site:1.4.0"),
        Rule.ORDER,
        (
            f"{DEPLOYMENT} needs the image `harbor.bhamm-lab.com/library/docs-site:1.4.0`, which the colour's own ",
            "but does not wait for harbor, which makes it",
        ),
        "test-test: spec.template.spec.containers[0].image",
        "let it depend on harbor",
    ),
    Broken(
        "own-image-in-the-values-of-a-chart",
        put(
            "Application argocd/k8up", (*SOURCE, "helm", "valuesObject", "image"),
            {"registry": "harbor.bhamm-lab.com", "repository": "library/k8up", "tag": "v2.12.0"},
        ),
        Rule.ORDER,
        ("application k8up needs the image `harbor.bhamm-lab.com`", "does not wait for harbor"),
        "k8up: spec.source.helm.valuesObject.image.registry",
        "let it depend on harbor",
    ),
    Broken(
        "own-image-without-a-harbor",
        all_of(without_harbor, put(CLUSTER, ("spec", "imageName"), "harbor.bhamm-lab.com/library/postgresql:17.5")),
        Rule.ORDER,
        (f"{CLUSTER} needs the image `harbor.bhamm-lab.com/library/postgresql:17.5`", "which nobody makes"),
        "test-postgresql: spec.imageName",
        "that of the other colour is not there when it is needed most",
    ),
    Broken(
        "harbor-of-the-live-colour",
        harbor_at("https://harbor.bhamm-lab.com"),
        Rule.ORDER,
        ("the provider harbor of green sets up the Harbor at harbor.bhamm-lab.com, which is that of the live colour",),
        "harbor: url",
        "use the name of the colour's own",
    ),
    # I11
    Broken(
        "latest-image-of-the-lab-s-own",
        all_of(
            put(DEPLOYMENT, (*CONTAINER, "image"), "harbor.bhamm-lab.com/library/docs-site:latest"),
            waiting(DEPLOYMENT, "Application argocd/harbor"),
        ),
        Rule.VERSIONS,
        (f"{DEPLOYMENT} runs the image `harbor.bhamm-lab.com/library/docs-site:latest`, which may be another",),
        "test-test: spec.template.spec.containers[0].image",
        "pin it",
    ),
    Broken(
        "latest-image",
        put(DEPLOYMENT, (*CONTAINER, "image"), "docker.io/library/busybox:latest"),
        Rule.VERSIONS,
        (f"{DEPLOYMENT} runs the image `docker.io/library/busybox:latest`, which may be another image tomorrow",),
        "test-test: spec.template.spec.containers[0].image",
        "pin it",
    ),
    Broken(
        "image-without-a-tag",
        put(CLUSTER, ("spec", "imageName"), "ghcr.io/cloudnative-pg/postgresql"),
        Rule.VERSIONS,
        ("`ghcr.io/cloudnative-pg/postgresql`",),
        "test-postgresql: spec.imageName",
        "pin it",
    ),
    Broken(
        "latest-image-in-the-values-of-a-chart",
        put(
            "Application argocd/k8up", (*SOURCE, "helm", "valuesObject", "image"),
            {"repository": "registry.example/k8up", "tag": "latest"},
        ),
        Rule.VERSIONS,
        ("application k8up runs the image `registry.example/k8up:latest`",),
        "k8up: spec.source.helm.valuesObject.image.tag",
        "pin it",
    ),
    Broken(
        "feature-branch",
        put("Application argocd/dragonfly-operator", (*SOURCE, "targetRevision"), "feature/crm"),
        Rule.VERSIONS,
        ("application dragonfly-operator is not pinned: `feature/crm` is a branch",),
        "dragonfly-operator: spec.source.targetRevision",
        "does not move",
    ),
    Broken(
        "chart-without-a-version",
        taken("Application argocd/traefik", (*SOURCE, "targetRevision")),
        Rule.VERSIONS,
        ("application traefik is not pinned: there is no version",),
        "traefik: spec.source.targetRevision",
        "a released version",
    ),
    Broken(
        "operator-newer-than-its-permissions",
        put("Application argocd/vault-permissions", (*SOURCE, "targetRevision"), "v1.22.4"),
        Rule.VERSIONS,
        ("application vault-operator is of version 1.22.5, but application vault-permissions", "of 1.22.4"),
        "vault-operator: spec.source.targetRevision",
        "one version for both",
        ("vault-permissions: spec.source.targetRevision",),
    ),
    Broken(
        "controller-newer-than-its-definitions",
        put("Application argocd/snapshot-controller", (*SOURCE, "targetRevision"), "v8.6.0"),
        Rule.VERSIONS,
        ("come from one repository", "v8.6.0"),
        ": spec.source.targetRevision",
        "one revision for both",
    ),
    Broken(
        "older-ceph-cluster",
        put("VolumeSnapshotClass ceph-block-snapshots", ("parameters", "clusterID"), OLDER_FSID),
        Rule.VERSIONS,
        (f"VolumeSnapshotClass ceph-block-snapshots names the Ceph cluster {OLDER_FSID}; the lab's is",),
        "snapshots-block: parameters.clusterID",
        "inventory/storage.py",
    ),
    # I12
    Broken(
        "gpu-without-toleration",
        put(DEPLOYMENT, (*CONTAINER, "resources", "requests"), {"amd.com/gpu": "1"}),
        Rule.SCHEDULING,
        (f"fits {DEPLOYMENT} (it asks for 128 MiB of memory, 1 amd.com/gpu)", "have the taint amd.com/gpu"),
        "test-test: spec.template.spec",
        "tolerate the taint",
    ),
    Broken(
        "more-memory-than-any-node-has",
        put(DEPLOYMENT, (*CONTAINER, "resources"), {"requests": {"memory": "300Gi"}}),
        Rule.SCHEDULING,
        ("it asks for 300.0 GiB of memory", "have too little memory"),
        "test-test: spec.template.spec",
        "ask for less",
    ),
    Broken(
        "label-that-no-node-has",
        put(DEPLOYMENT, (*POD, "nodeSelector"), {"machine_tier": "fast"}),
        Rule.SCHEDULING,
        ("lack the label machine_tier=fast",),
        "test-test: spec.template.spec",
        "a label that a node has",
    ),
    Broken(
        "five-shares-of-four",
        all_of(
            i915(3),
            waiting("Deployment test/graphics", INTEL_CARDS),
            copied("Deployment test/graphics", "more-graphics", (("metadata", "name"), "more")),
            put(
                "Deployment test/more", (*CONTAINER, "resources", "requests"), {"gpu.intel.com/i915": 2}
            ),
        ),
        Rule.SCHEDULING,
        ("ask for 5 of gpu.intel.com/i915, its nodes have 4: Deployment test/graphics 3, Deployment test/more 2",),
        "more-graphics: spec.template.spec",
        "more shares",
        ("graphics: spec.template.spec",),
    ),
    Broken(
        "volume-where-its-driver-is-not",
        all_of(
            put("Application argocd/ceph-csi-rbd", (*SOURCE, "helm", "valuesObject", "nodeplugin", "tolerations"), []),
            put(DEPLOYMENT, (*POD, "tolerations"), [{"key": "amd.com/gpu", "operator": "Exists"}]),
        ),
        Rule.SCHEDULING,
        ("green-talos-worker-amd-gpu", "its volume test cannot be mounted", "rbd.csi.ceph.com does not tolerate"),
        "test-test: spec.template.spec.volumes[0]",
        "a toleration of amd.com/gpu",
        ("ceph-csi-rbd: spec.source.helm.valuesObject.nodeplugin.tolerations",),
    ),
    Broken(
        "pinned-to-a-host-name",
        put(DEPLOYMENT, (*POD, "nodeSelector"), {"kubernetes.io/hostname": "green-talos-worker-0"}),
        Rule.SCHEDULING,
        (f"{DEPLOYMENT} is pinned to a host name, which has the colour in it",),
        "test-test: spec.template.spec.nodeSelector.kubernetes.io/hostname",
        "its labels or devices",
    ),
    # I13
    Broken(
        "one-host-name-twice",
        copied(ROUTE, "again", (("metadata", "name"), "again")),
        Rule.INGRESS,
        ("IngressRoute test/again and IngressRoute test/test both answer for test.bhamm-lab.com",),
        "again: spec.routes[0].match",
        "another host name",
        ("test-test: spec.routes[0].match",),
    ),
    Broken(
        "host-name-of-others",
        put(ROUTE, ("spec", "routes", 0, "match"), "Host(`test.example.com`)"),
        Rule.INGRESS,
        ("answers for test.example.com, which is not under bhamm-lab.com",),
        "test-test: spec.routes[0].match",
        "a name under bhamm-lab.com",
    ),
    Broken(
        "any-host-name",
        put(ROUTE, ("spec", "routes", 0, "match"), "PathPrefix(`/`)"),
        Rule.INGRESS,
        ("names no host",),
        "test-test: spec.routes[0].match",
        "name each host",
    ),
    Broken(
        "route-without-tls",
        taken(ROUTE, ("spec", "tls")),
        Rule.INGRESS,
        (f"{ROUTE} has no TLS",),
        "test-test: spec.tls",
        "tls: {}",
    ),
    Broken(
        "route-without-login",
        all_of(
            put(ROUTE, ("spec", "routes", 0, "middlewares"), []),
            taken(ROUTE, ("metadata", "annotations", AUTHENTICATION)),
        ),
        Rule.INGRESS,
        ("test.bhamm-lab.com of IngressRoute test/test", "everybody on the network is let in"),
        f"test-test: metadata.annotations.{AUTHENTICATION}",
        "list it with a reason",
    ),
    Broken(
        "login-that-nobody-asks-for",
        all_of(
            put(ROUTE, ("spec", "routes", 0, "middlewares"), []),
            put(ROUTE, ("metadata", "annotations", AUTHENTICATION), "forward-auth"),
        ),
        Rule.INGRESS,
        ("says that Authelia is asked before test.bhamm-lab.com, but none of its middlewares asks",),
        "test-test: spec.routes[0].middlewares",
        "add the forward-auth middleware",
    ),
    Broken(
        "logs-that-anybody-may-send",
        put(PUSH, ("spec", "routes", 0, "middlewares"), []),
        Rule.INGRESS,
        (f"{PUSH} says that a password is asked for before loki", "none of its middlewares asks"),
        "monitor-loki-loki-api-v1-push: spec.routes[0].middlewares",
        "add the basic-auth middleware",
    ),
    Broken(
        "a-middleware-that-asks-for-nothing",
        taken("Middleware monitor/loki-login", ("spec", "basicAuth")),
        Rule.INGRESS,
        (f"{PUSH} says that a password is asked for before loki", "none of its middlewares asks"),
        "monitor-loki-loki-api-v1-push: spec.routes[0].middlewares",
        "add the basic-auth middleware",
    ),
    Broken(
        "rules-before-prometheus",
        all_of(
            hurried("PrometheusRule monitor/lab-colours", "Application argocd/kube-prometheus-stack"),
            waiting("PrometheusRule monitor/lab-colours", "Namespace monitor"),
        ),
        Rule.ORDER,
        ("needs the kind PrometheusRule of monitoring.coreos.com, but does not wait for kube-prometheus-stack",),
        "rules-colours: the resource itself",
        "let it depend on kube-prometheus-stack",
        ("kube-prometheus-stack: the resource itself",),
    ),
    Broken(
        "own-login-that-is-not-listed",
        all_of(
            put(ROUTE, ("spec", "routes", 0, "middlewares"), []),
            put(ROUTE, ("metadata", "annotations", AUTHENTICATION), "own-login"),
        ),
        Rule.INGRESS,
        ("is `own-login` and is not among the open routes",),
        f"test-test: metadata.annotations.{AUTHENTICATION}",
        "list it with a reason",
    ),
    Broken(
        "middleware-that-nobody-makes",
        put(ROUTE, ("spec", "routes", 0, "middlewares", 1, "name"), "forwardauth-authelia"),
        Rule.INGRESS,
        ("passes the middleware traefik/forwardauth-authelia, which nobody makes",),
        "test-test: spec.routes[0].middlewares[1]",
        "register the middleware",
    ),
    Broken(
        "tunnel-to-what-is-not-public",
        with_resources(
            BINDINGS,
            registered(
                "kubernetes:networking.cfargotunnel.com/v1alpha1:TunnelBinding", "crm",
                {
                    "metadata": {"name": "crm", "namespace": "default"},
                    "subjects": [{"name": "crm", "spec": {"fqdn": "crm.bhamm-lab.com"}}],
                },
                dependencies=frozenset({BINDINGS.urn}),
            ),
        ),
        Rule.INGRESS,
        ("TunnelBinding default/crm offers crm.bhamm-lab.com to the Internet, which may reach only docs.",),
        "crm: subjects[0].spec.fqdn",
        "inventory/cloud.py",
    ),
    Broken(
        "name-past-the-tunnel",
        with_resources(
            registered(
                RECORD, "public-docs",
                {"name": "docs.bhamm-lab.com", "type": "A", "content": "203.0.113.7"},
                stack="shared", protect=True, retain_on_delete=True,
            )
        ),
        Rule.INGRESS,
        ("the DNS record public-docs leads to 203.0.113.7, past the tunnel",),
        "public-docs: content",
        "to the tunnel",
    ),
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_copy_is_refused_for_what_is_wrong_and_nothing_else(broken: Broken):
    violations = check(broken.change(sound()), broken.lab)

    assert [one.rule for one in violations] == [broken.rule], "\n\n".join(map(str, violations))
    assert_is(violations[0], broken)


def test_a_secret_in_clear_is_not_told_again():
    change = all_of(
        setting("SMTP_PASSWORD", value="hunter2"),
        put("Application argocd/k8up", (*SOURCE, "helm", "valuesObject", "token"), "s3cr3t-t0ken"),
        put("Application argocd/traefik", (*SOURCE, "helm", "valuesObject", "level"), SECRET),
        put("ConfigMap argo/secrets-file", ("data", "more"), SECRET),
    )
    violations = check(change(sound()), lab())
    assert [one.rule for one in violations] == [Rule.SECRET_REFERENCES] * 4
    assert not any(text in str(one) for one in violations for text in ("hunter2", "s3cr3t"))


def assert_is(violation: Violation, broken: Broken) -> None:
    for piece in broken.says:
        assert piece in violation.message, str(violation)
    assert str(violation.where).endswith(broken.at), str(violation)
    assert broken.fix in violation.fix, str(violation)
    for place in broken.also:
        assert any(place in str(other) for other in violation.also), str(violation)


def test_no_two_have_one_name():
    names = [broken.name for broken in BROKEN]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_has_several(rule: Rule):
    assert len([broken for broken in BROKEN if broken.rule is rule]) >= 2


def test_two_colours_that_write_one_repository_outside_the_clusters_are_both_told():
    outside = all_of(
        put(SCHEDULE, ("spec", "backend", "s3", "endpoint"), "http://10.0.20.199:9000"),
        put("Schedule k8up/upkeep", ("spec", "backend", "s3", "endpoint"), "http://10.0.20.199:9000"),
        put(STORE, ("spec", "configuration", "endpointURL"), "http://10.0.20.199:9000"),
    )(sound())

    violations = RULES[Rule.BACKUP_WRITERS](outside | moved(outside, "blue"), as_role(BackupRole.WRITER))

    assert len(violations) == 3
    assert all("of blue" in one.message and "of green" in one.message for one in violations)


def test_a_repository_inside_each_cluster_is_another_one():
    both = sound() | moved(sound(), "blue")
    assert RULES[Rule.BACKUP_WRITERS](both, as_role(BackupRole.WRITER)) == []
