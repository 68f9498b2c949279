// Package reconcile makes it so: it watches the cluster, has the two pure packages decide, and writes with
// server-side apply.
//
// How an event becomes a write:
//
//	policy ConfigMap -> judge -> last good policy -> every namespace's key        judge.go
//	namespace, source, copy, service account events -> that namespace's key       watches.go, hooks.go
//	that key -> a free worker, what is new first                                  queue.go, rush.go
//	key -> observe (caches) -> decide (pure) -> execute (SSA) -> report            controller.go
//
// The queue's key is a namespace, and all of one namespace is decided at once. Nothing here decides what should
// happen to an object: that is package plan. Errors are not logged where they happen but returned, and reported
// in one place.
package reconcile
