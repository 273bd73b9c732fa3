"""How a stack's program is run: the engine's environment, its operations, its state."""
