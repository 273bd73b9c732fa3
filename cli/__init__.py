"""The commands of `./lab`: argument parsing and presentation only."""
