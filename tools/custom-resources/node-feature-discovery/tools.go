//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "sigs.k8s.io/node-feature-discovery/api/nfd/v1alpha1"
