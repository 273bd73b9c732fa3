"""The types of a lab and the rules they must keep: pure, no Pulumi, no I/O."""
