// Package draining keeps what a roll-out fills at once, for each namespace, and empties slowly.
package draining

import (
	"iter"
	"maps"
)

// Map is a map that gives memory back as it empties: one of Go's that was large stays large. The zero Map is empty. It is not for use
// by several goroutines at a time.
type Map[V any] struct {
	all  map[string]V
	most int // entries since memory was given back
}

// large is from how many entries on memory is given back.
const large = 1024

// Get returns the value of a key, and whether there is one.
func (m *Map[V]) Get(key string) (value V, ok bool) {
	value, ok = m.all[key]
	return value, ok
}

// Has reports whether there is a value of a key.
func (m *Map[V]) Has(key string) bool {
	_, ok := m.all[key]
	return ok
}

// Set puts a value in the place of that of a key.
func (m *Map[V]) Set(key string, value V) {
	if m.all == nil {
		m.all = map[string]V{}
	}
	m.all[key] = value
	m.most = max(m.most, len(m.all))
}

// Delete takes a key away.
func (m *Map[V]) Delete(key string) {
	delete(m.all, key)
	if m.most <= large || len(m.all) >= m.most/4 {
		return
	}
	left := make(map[string]V, len(m.all)) // a clone would be as large
	maps.Copy(left, m.all)
	m.all, m.most = left, len(left)
}

// Len is the number of keys.
func (m *Map[V]) Len() int { return len(m.all) }

// All are the keys with their values, in no order. Nothing may be set or deleted until the last one.
func (m *Map[V]) All() iter.Seq2[string, V] { return maps.All(m.all) }
