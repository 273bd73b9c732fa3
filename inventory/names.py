"""Names that more than one part of the inventory uses."""

from model.ceph import StorageName
from model.cluster import SchematicName
from model.hardware import AcceleratorName, HostName, MappingName
from model.network import DeviceName, NetworkName

METHOD = HostName("method")
INDY = HostName("indy")
STALE = HostName("stale")
NOSE = HostName("nose")
TAIL = HostName("tail")

LAN = NetworkName("lan")
MANAGEMENT = NetworkName("management")
METAL = NetworkName("metal")
K8S = NetworkName("k8s")
VMS = NetworkName("vms")
CEPH = NetworkName("ceph")
IOT = NetworkName("iot")
GUEST = NetworkName("guest")
TRUSTED = NetworkName("trusted")
DMZ = NetworkName("dmz")

ACCESS_POINT = DeviceName("eap650")

ARC_A310 = AcceleratorName("arc-a310")
R9700 = AcceleratorName("r9700")
STRIX_HALO_NOSE = AcceleratorName("strix-halo-nose")
STRIX_HALO_TAIL = AcceleratorName("strix-halo-tail")

TRUENAS_SATA = MappingName("truenas-sata")

LVM = StorageName("lvm")
CEPHFS = StorageName("cephfs")
BACKUP_SERVER = StorageName("pbs")

BASE = SchematicName("base")
INTEL_GPU = SchematicName("intel-gpu")
AMD_GPU = SchematicName("amd-gpu")
AMD_FRAMEWORK = SchematicName("amd-framework")
