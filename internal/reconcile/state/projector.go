package state

import (
	"crypto/rand"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// NewProjector returns a projector with a key of its own.
func NewProjector() *cluster.Projector {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return cluster.NewProjector(key)
}
