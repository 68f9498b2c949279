// Package cluster holds what the controller remembers of the cluster's objects: compact values
// with just the fields that a decision needs.
//
// It guarantees that nothing remembered of a copy holds a credential. A Secret becomes its type
// and, per registry host, a keyed hash of each field; only a Source keeps the bytes, in a
// Credential that prints as REDACTED.
//
// The package is pure: no client, clock, logger or randomness.
package cluster
