//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
