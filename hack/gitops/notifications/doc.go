// Package notifications runs the triggers and templates of examples/argocd in the notifications engine that Argo CD has built in. It is
// a module of its own because the engine brings the libraries of a dozen kinds of chat.
package notifications
