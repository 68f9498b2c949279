// Package proxy stands between a program and the API server, and does to their conversation what networks, load
// balancers and API servers do on bad days. It speaks TLS and HTTP/2 on loopback, so that a single stream can be reset,
// and reads watches event by event, so that faults reach the watches that run already.
//
// A Fault is in effect from Inject until the function that Inject returned is called. What the program asked, what it was
// answered, and which of its writes changed nothing, is in Counts.
package proxy
