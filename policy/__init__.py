"""Rules over what a program registers, before and after it is applied."""
