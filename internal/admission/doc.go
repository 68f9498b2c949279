// Package admission works out the admission parameters of a policy, by which the API server itself adds names to service
// accounts and pods, and reads them as the API server does. Package internal/reconcile/admission writes them to the cluster.
//
// The package is pure: no client, clock, logger or file.
package admission
