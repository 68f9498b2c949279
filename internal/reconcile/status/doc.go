// Package status reads and writes what the status ConfigMap holds: the last good policy text, the copy names in use, and the
// record that people and scripts read. It is pure; package activation writes the ConfigMap.
package status
