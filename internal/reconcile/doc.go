// Package reconcile keeps the cluster as the policy says. It holds together what does the work: each step of the way is a
// package below, and knows nothing of the next one.
//
// How an event becomes a write:
//
//	watch     an informer sees a namespace, service account, copy or source change     watch/informer.go
//	state     the cluster remembers it, and drops what this process wrote itself       state/cluster.go
//	          the namespace enters the queue; of a source, all namespaces do           handlers.go
//	queue     hands the namespace out, what is new first                               queue/queue.go
//	state     Observe reads all that the decision may look at                          state/view.go
//	plan      decides what to do with each object, and why                             plan/compute.go
//	prune     holds removals back that are too many                                    prune/limit.go
//	apply     writes with server-side apply, and looks at what came back               apply/executor.go
//	report    logs it, and sums it up for status and metrics                           report/report.go
//
// The function of that way is Controller.reconcile, in reconcile.go. Besides it runs package activation, which turns the policy
// ConfigMap into the policy in force and has all namespaces enter the queue, and with it package admission, which keeps the
// parameters of the admission policy true.
//
// All of one namespace is decided at once. Nothing here decides what should happen to an object: that is package plan. Errors
// are not logged where they happen but returned, and told in one place, package report.
package reconcile
