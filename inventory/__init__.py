"""What this lab is: values only. Another lab replaces this folder and the stack files, and nothing else."""

from inventory.buckets import COLD
from inventory.cloud import CLOUD
from inventory.cluster import CLUSTER
from inventory.guests import GUESTS, INSTALLERS
from inventory.hosts import ACCELERATORS, HOSTS
from inventory.network import CABLES, CONSOLES, FIREWALL, LAPTOPS, MTU, NETWORKS, POWER_SUPPLIES, SWITCHES
from inventory.secrets import SCHEMA as SECRETS
from inventory.storage import CEPH, PROXMOX, STORAGES
from inventory.workloads import WORKLOADS
from model.lab import Lab
from model.workloads.backup_plan import backup_plan

LAB = Lab(
    domain="bhamm-lab.com",
    timezone="America/Denver",
    networks=NETWORKS,
    mtu=MTU,
    hosts=HOSTS,
    accelerators=ACCELERATORS,
    switches=SWITCHES,
    cables=CABLES,
    firewall=FIREWALL,
    power_supplies=POWER_SUPPLIES,
    consoles=CONSOLES,
    laptops=LAPTOPS,
    proxmox=PROXMOX,
    ceph=CEPH,
    storages=STORAGES,
    installers=INSTALLERS,
    guests=GUESTS,
    cluster=CLUSTER,
    cloud=CLOUD,
    cold=COLD,
    backups=backup_plan(
        WORKLOADS, cold=COLD, cloudflare=CLOUD.cloudflare, guests=GUESTS, guest_jobs=PROXMOX.backup_jobs
    ),
    secrets=SECRETS,
)
