"""Talos: image schematics, machine configurations, and a cluster from its secrets to its kubeconfig."""
