//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
