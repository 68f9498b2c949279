// Package load measures the program under load: many namespaces and rules, a policy that is edited every second, a storm of
// namespaces while every credential is rotated, and secrets of others that are in the way of many rules. What it finds is the
// second table of docs/reliability.md.
//
//	go -C hack/controlplane run . run -- go -C hack/chaos test ./load -v -timeout 60m -args -namespaces 500 -rules 50
//
// Each row runs alone by its name, such as -run TestLoad/edits. It looks at the program from outside: at its metrics, its log
// and /proc, and at the cluster through watches of its own.
package load
