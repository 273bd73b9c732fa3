"""Privileges and built-in roles of Proxmox VE 8.4."""

from enum import StrEnum, unique


@unique
class Privilege(StrEnum):
    """What a role can allow."""

    DATASTORE_ALLOCATE = "Datastore.Allocate"
    DATASTORE_ALLOCATE_SPACE = "Datastore.AllocateSpace"
    DATASTORE_ALLOCATE_TEMPLATE = "Datastore.AllocateTemplate"
    DATASTORE_AUDIT = "Datastore.Audit"
    GROUP_ALLOCATE = "Group.Allocate"
    MAPPING_AUDIT = "Mapping.Audit"
    MAPPING_MODIFY = "Mapping.Modify"
    MAPPING_USE = "Mapping.Use"
    PERMISSIONS_MODIFY = "Permissions.Modify"
    POOL_ALLOCATE = "Pool.Allocate"
    POOL_AUDIT = "Pool.Audit"
    REALM_ALLOCATE = "Realm.Allocate"
    REALM_ALLOCATE_USER = "Realm.AllocateUser"
    SDN_ALLOCATE = "SDN.Allocate"
    SDN_AUDIT = "SDN.Audit"
    SDN_USE = "SDN.Use"
    SYS_ACCESS_NETWORK = "Sys.AccessNetwork"
    SYS_AUDIT = "Sys.Audit"
    SYS_CONSOLE = "Sys.Console"
    SYS_INCOMING = "Sys.Incoming"
    SYS_MODIFY = "Sys.Modify"
    SYS_POWER_MANAGEMENT = "Sys.PowerMgmt"
    SYS_SYSLOG = "Sys.Syslog"
    USER_MODIFY = "User.Modify"
    VM_ALLOCATE = "VM.Allocate"
    VM_AUDIT = "VM.Audit"
    VM_BACKUP = "VM.Backup"
    VM_CLONE = "VM.Clone"
    VM_CONFIG_CDROM = "VM.Config.CDROM"
    VM_CONFIG_CPU = "VM.Config.CPU"
    VM_CONFIG_CLOUDINIT = "VM.Config.Cloudinit"
    VM_CONFIG_DISK = "VM.Config.Disk"
    VM_CONFIG_HARDWARE_TYPE = "VM.Config.HWType"
    VM_CONFIG_MEMORY = "VM.Config.Memory"
    VM_CONFIG_NETWORK = "VM.Config.Network"
    VM_CONFIG_OPTIONS = "VM.Config.Options"
    VM_CONSOLE = "VM.Console"
    VM_MIGRATE = "VM.Migrate"
    VM_MONITOR = "VM.Monitor"
    VM_POWER_MANAGEMENT = "VM.PowerMgmt"
    VM_SNAPSHOT = "VM.Snapshot"
    VM_SNAPSHOT_ROLLBACK = "VM.Snapshot.Rollback"


ALL = frozenset(Privilege)
_AUDIT = frozenset(p for p in Privilege if p.value.endswith(".Audit"))
_DATASTORE_USE = frozenset({Privilege.DATASTORE_ALLOCATE_SPACE, Privilege.DATASTORE_AUDIT})
_VIRTUAL_MACHINE = frozenset(p for p in Privilege if p.value.startswith("VM."))

BUILT_IN_ROLES: dict[str, frozenset[Privilege]] = {
    "Administrator": ALL,
    "NoAccess": frozenset(),
    "PVEAuditor": _AUDIT,
    "PVEDatastoreAdmin": frozenset(p for p in Privilege if p.value.startswith("Datastore.")),
    "PVEDatastoreUser": _DATASTORE_USE,
    "PVEMappingUser": frozenset({Privilege.MAPPING_USE, Privilege.MAPPING_AUDIT}),
    "PVEVMAdmin": _VIRTUAL_MACHINE,
}
"""The built-in roles that the twin knows; they can be granted and not changed."""
