//go:build tools

// Package tools pins the packages whose types are read here; it is never compiled itself.
package tools

import _ "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
