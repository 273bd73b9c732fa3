"""What a pod cannot start without."""

from typing import Any

from twin.kubernetes.mounts import CONFIG_MAPS, SECRETS, Source, claims, driver_of, drivers_on, sources


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def test_volumes() -> None:
    volumes = [
        {"name": "a", "secret": {"secretName": "one", "items": [{"key": "k", "path": "p"}]}},
        {"name": "b", "configMap": {"name": "two"}},
        {"name": "c", "emptyDir": {}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "e", "secret": {"secretName": "not-needed", "optional": True}},
        {
            "name": "f",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt"}},
                    {"secret": {"name": "three"}},
                ]
            },
        },
    ]
    found = pod({"name": "main"}, volumes=volumes)
    assert sources(found) == (
        Source(SECRETS, "one", ("k",), "a"),
        Source(CONFIG_MAPS, "two", (), "b"),
        Source(CONFIG_MAPS, "kube-root-ca.crt", (), "f"),
        Source(SECRETS, "three", (), "f"),
    )
    assert claims(found) == ("data",)


def test_environment() -> None:
    container = {
        "name": "main",
        "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "some", "optional": True}}],
        "env": [
            {"name": "A", "value": "plain"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "all", "key": "b"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "c"}}},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
    }
    init = {"name": "init", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "early", "key": "e"}}}]}
    assert sources(pod(container, initContainers=[init])) == (
        Source(SECRETS, "early", ("e",), None),
        Source(SECRETS, "all", (), None),
        Source(SECRETS, "all", ("b",), None),
        Source(CONFIG_MAPS, "settings", ("c",), None),
    )


def test_a_pod_that_names_nothing() -> None:
    assert sources(pod({"name": "main"})) == ()
    assert claims(pod({"name": "main"})) == ()


def test_a_volume_needs_its_driver_on_the_node() -> None:
    assert driver_of({"spec": {"csi": {"driver": "rbd.csi.ceph.com"}}}) == "rbd.csi.ceph.com"
    assert driver_of({"spec": {"hostPath": {"path": "/var/mnt"}}}) is None
    assert driver_of(None) is None
    registered: dict[str, Any] = {"spec": {"drivers": [{"name": "rbd.csi.ceph.com", "nodeID": "a"}]}}
    assert drivers_on(registered) == {"rbd.csi.ceph.com"}
    assert drivers_on({"spec": {"drivers": None}}) == drivers_on(None) == frozenset()
