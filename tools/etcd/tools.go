//go:build tools

// Package tools pins the package that is built here; it is never compiled itself.
package tools

import _ "go.etcd.io/etcd/server/v3"
