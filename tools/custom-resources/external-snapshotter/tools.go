//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
