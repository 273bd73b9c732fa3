"""Which components a stack holds, wired from inventory and stack configuration."""
