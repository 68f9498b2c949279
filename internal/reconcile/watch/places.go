package watch

import (
	"hash/maphash"
	"sync/atomic"
)

// Place is a namespace to look for objects of many names in. Most namespaces have copies of few names: where there are hundreds, one
// bit of each informer says that it has nothing here.
type Place struct {
	Namespace string
	bit       uint16 // many namespaces share each
}

var placeSeed = maphash.MakeSeed()

// PlaceOf returns the place of a namespace.
func PlaceOf(namespace string) Place {
	return Place{namespace, uint16(maphash.String(placeSeed, namespace) % placeBits)}
}

const placeBits = 1024

// places are namespaces, and some others: those that share a bit with one, and since the last list those that are gone. It may be asked
// while some are added: hundreds of locks take longer than what they guard.
type places [placeBits / 64]atomic.Uint64

func (p *places) add(place Place) { p[place.bit/64].Or(1 << (place.bit % 64)) }

// mayHave reports whether a namespace was added; it may be another one.
func (p *places) mayHave(place Place) bool { return p[place.bit/64].Load()&(1<<(place.bit%64)) != 0 }
