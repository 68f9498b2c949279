// Package workflows tests what actionlint does not: that nothing in a workflow can be changed from outside, and that no
// job may do more than it needs.
package workflows
