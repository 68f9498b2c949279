// Package pulls holds the tests in which a real kubelet pulls from real registries because of pullsecrets: make node-test.
package pulls
