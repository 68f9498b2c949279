// Package soak lets two installations of pullsecrets live in a cluster where everything changes at random, and says after
// each round whether all is as the policies mean it.
//
// A round is some operations that are chosen by a seed (operations*.go), while the world (world.go) notes what was done
// and by whom. Then everybody rests (run.go), and the oracle (oracle*.go) works out what has to be there, from the text of
// the policies alone and by docs/policy.md. It shares no code with the product: it parses policies, matches globs and
// labels, and reads credentials by itself.
//
// Operations race the programs, so of some things two outcomes are right: a copy that was asked for by one of two policies in
// quick succession may have been made by a rule that lets it stay. What may be is worked out from all policies and all
// states of a round (history.go), and what has to be is never less than what the last policy says.
//
//	make soak SOAK=10m SEED=7
package soak
