// Package api is what every test and every measurement on an API server needs: a client, the resources, and the objects
// that people make of them. It has neither package testing nor the controller in it, so that hack/bench, whose own
// memory is part of what it measures, can use it too.
package api
