"""The Kubernetes control plane of each bootstrapped cluster, and how it is reached; see `docs/twin/kubernetes.md`."""
