"""The lab emulated on one machine: provider stand-ins, an emulated Proxmox VE, and the physics they share.

Nothing outside this package and `cli` knows that it exists; see `docs/twin/` for what it shows and what it does not.
"""
