"""Stand-ins for the Pulumi providers whose plugins and accounts the twin does not have.

Each serves the real engine over gRPC, takes the inputs that the installed SDK describes and refuses what the real
API refuses. `docs/twin/providers.md` says what each one covers and what it does not show.
"""
