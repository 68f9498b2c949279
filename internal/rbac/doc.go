// Package rbac works out the roles that let the controller do what a policy asks for, and nothing else.
//
// The same policy and options always give the same bytes. The package is pure: no client, clock, logger or file.
package rbac
