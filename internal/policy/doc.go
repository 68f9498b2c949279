// Package policy says what should exist: it turns policy text into a validated, immutable Policy, and a
// Policy plus one namespace and the sources into the copies and references that should be there.
//
// Desired is stateless and idempotent, asks nothing outside its arguments and may be called any number of
// times. A text is accepted or refused as a whole, with every problem at once.
//
// The package is pure: no client, clock, logger or randomness.
package policy
