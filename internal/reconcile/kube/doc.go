// Package kube is all that is asked of the API server: what is read, how it is written, and what its errors mean.
//
// It decides nothing. What it says of an error holds nothing of an object, so that it may be logged; see Redact.
package kube
