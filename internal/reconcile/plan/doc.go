// Package plan says what to do: it holds what should exist in one namespace against what was observed there, and
// returns ordered actions, each with its reason.
//
// Compute is total and deterministic and changes nothing that it is given. Every copy, reference and leftover
// appears in its result, also where nothing is done: why something did not happen is answered by the plan.
//
// The package is pure: no client, clock, logger or randomness.
package plan
