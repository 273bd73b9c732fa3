"""Users, roles, tokens, access control lists."""

from typing import Any

from tests.conformance.proxmox.calls import create, finish, prepare, refused, settings
from tests.conformance.proxmox.cluster import Api, EmulatedCluster


def make_token(client: Api, *, separated: bool) -> str:
    client.access.users.post(userid="lab@pve", comment="the program")
    made: dict[str, Any] = client.access.users("lab@pve").token("automation").post(privsep=int(separated))
    return f"{made['full-tokenid']}={made['value']}"


def grant(client: Api, path: str, privileges: str, subject: str = "lab@pve") -> None:
    role = f"role{abs(hash((path, privileges)))}"
    client.access.roles.post(roleid=role, privs=privileges)
    kind = "tokens" if "!" in subject else "users"
    client.access.acl.put(path=path, roles=role, **{kind: subject})


def test_a_token_without_rights_is_told_which_it_lacks(cluster: EmulatedCluster, client: Api) -> None:
    weak = cluster.client(make_token(client, separated=False))
    assert weak.version.get()["release"] == "8.4"
    refusal = refused(weak.nodes("method").qemu.post, vmid=110)
    assert refusal.status == 403
    assert "Permission check failed (/vms/110, VM.Allocate)" in refusal.message
    assert "Permission check failed (/storage, Datastore.Allocate)" in refused(
        weak.storage.post, storage="lvm", type="lvm", vgname="local-vg"
    ).message
    assert weak.cluster.resources.get(type="vm") == []


def test_each_right_opens_one_more_door(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    weak = cluster.client(make_token(client, separated=False))
    wanted = settings("10.0.30.60")
    for path, privileges, complaint in [
        ("/vms", "VM.Allocate", "VM.Config.Options"),
        ("/vms/110", "VM.Config.Options VM.Allocate", "VM.Config.HWType"),
        ("/vms/110", "VM.Config.HWType,VM.Config.Memory,VM.Config.CPU,VM.Config.Disk", "Datastore.AllocateSpace"),
        ("/storage/lvm", "Datastore.AllocateSpace", "/storage/cephfs"),
        ("/storage/cephfs", "Datastore.Audit", "VM.Config.Cloudinit"),
        ("/vms/110", "VM.Config.Cloudinit,VM.Config.Network", "/sdn/zones/localnetwork/vmbr0/30"),
    ]:
        grant(client, path, privileges)
        assert complaint in refused(weak.nodes("method").qemu.post, vmid=110, **wanted).message
    grant(client, "/sdn/zones", "SDN.Use")
    finish(weak, weak.nodes("method").qemu.post(vmid=110, **wanted))
    assert "VM.PowerMgmt" in refused(weak.nodes("method").qemu(110).status.start.post).message


def test_a_separated_token_has_its_own_rights_within_its_users(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    create(client, "method", 110, settings("10.0.30.60"))
    weak = cluster.client(make_token(client, separated=True))
    grant(client, "/vms", "VM.Audit")
    assert "VM.Audit" in refused(weak.nodes("method").qemu(110).config.get).message
    grant(client, "/", "VM.Audit,Sys.Modify", subject="lab@pve!automation")
    assert weak.nodes("method").qemu(110).config.get()["name"] == "guest-60"
    assert weak.access.permissions.get(path="/vms") == {"/vms": {"VM.Audit": 1}}


def test_a_deeper_entry_replaces_one_above_it(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    create(client, "method", 110, settings("10.0.30.60"))
    weak = cluster.client(make_token(client, separated=False))
    grant(client, "/vms", "VM.Audit,VM.PowerMgmt")
    client.access.acl.put(path="/vms/110", roles="NoAccess", users="lab@pve")
    assert "VM.Audit" in refused(weak.nodes("method").qemu(110).config.get).message


def test_rights_on_a_pool_hold_for_its_members(cluster: EmulatedCluster, client: Api) -> None:
    prepare(client)
    create(client, "method", 110, settings("10.0.30.60"))
    client.pools.post(poolid="colours")
    weak = cluster.client(make_token(client, separated=False))
    grant(client, "/pool/colours", "VM.Audit")
    assert "VM.Audit" in refused(weak.nodes("method").qemu(110).config.get).message
    client.pools.put(poolid="colours", vms="110")
    assert weak.nodes("method").qemu(110).config.get()["name"] == "guest-60"


def test_a_disabled_user_and_a_removed_token_are_out(cluster: EmulatedCluster, client: Api) -> None:
    weak = cluster.client(make_token(client, separated=False))
    client.access.users("lab@pve").put(enable=0)
    assert refused(weak.version.get).status == 401
    client.access.users("lab@pve").put(enable=1)
    assert weak.version.get()["release"] == "8.4"
    client.access.users("lab@pve").token("automation").delete()
    assert refused(weak.version.get).status == 401


def test_what_is_built_in_stays(client: Api) -> None:
    assert "auto-generated role" in refused(client.access.roles("Administrator").delete).message
    assert "cannot be removed" in refused(client.access.users("root@pam").delete).message


def test_unknown_names_are_refused(client: Api) -> None:
    assert "invalid privilege 'VM.Fly'" in str(refused(client.access.roles.post, roleid="x", privs="VM.Fly").errors)
    assert "role 'nobody' does not exist" in str(
        refused(client.access.acl.put, path="/", roles="nobody", users="root@pam").errors
    )
    assert "user 'ghost@pve' does not exist" in str(
        refused(client.access.acl.put, path="/", roles="PVEAuditor", users="ghost@pve").errors
    )
    assert "domain 'ldap' does not exist" in str(refused(client.access.users.post, userid="x@ldap").errors)
