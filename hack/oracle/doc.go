// Package oracle holds what internal/cluster makes of a registry credential against what the kubelet's own code makes
// of it. It is a module of its own, because k8s.io/kubernetes is no library that the program should be built with.
package oracle
