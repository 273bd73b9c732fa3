"""Stand-in of the `kubernetes` provider over a real API server; see `docs/twin/providers.md`."""
