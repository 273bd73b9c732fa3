"""What the program manages on a colour's cluster."""
