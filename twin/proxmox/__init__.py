"""An emulated Proxmox VE cluster: its HTTP API, its tasks and the physics of its hosts.

`server.ProxmoxServer` is the way in. What each call covers and does not show is in `docs/twin/proxmox.md`.
"""
