"""What the program manages of the Proxmox cluster."""
