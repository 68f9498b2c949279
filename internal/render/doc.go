// Package render says what has to be applied beside a policy: the roles that let the controller do what the policy
// asks for, and nothing else; and the admission parameters. It also reads those as the API server does.
//
// The same policy and options always give the same bytes. The package is pure: no client, clock, logger or file.
package render
