//go:build tools

// Package tools pins the package that is built here; it is never compiled itself.
package tools

import _ "github.com/prometheus/prometheus/cmd/promtool"
