"""Talos without machines: what a machine accepts, when a cluster lives, and who may ask it.

Secrets, configurations and their validation come from Talos' own library (`machinery`); see `docs/twin/talos.md`.
"""
