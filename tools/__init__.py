"""Pinned build recipes of the binaries that no Python package carries."""
