//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
