"""What runs on a colour's cluster: the types that the lab's applications are written in. Pure, like all of `model`."""
