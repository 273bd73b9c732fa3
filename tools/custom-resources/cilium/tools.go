//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import (
	_ "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	_ "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2alpha1"
)
