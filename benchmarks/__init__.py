"""How long the program takes, as ratios to what nobody could do faster. Run `python -m benchmarks`."""
