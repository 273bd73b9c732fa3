"""One component resource per layer of the lab. Knows Pulumi and `model`, and nothing else of the project."""
