"""The Pulumi program: one stack of the lab."""

import gc

# The program allocates, registers and exits; looking for garbage meanwhile costs a fifth of its time.
gc.disable()

from stacks.program import main  # noqa: E402

main()
