// Package coverage says which images of a cluster have a credential for their registry, and which credentials have an image that
// needs them. It is pure: package inspect reads the cluster.
//
// What counts is a pod that is made now. It has the pull secrets of its template, or if that names none those of its service
// account, and what the API server adds. Whether a registry wants a credential at all is not known here: an image without one is
// told as that, and only a pod that waits for it makes it an alarm.
package coverage
