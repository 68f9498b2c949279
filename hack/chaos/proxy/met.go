package proxy

import (
	"context"
	"net/http"
	"sync/atomic"
)

// Counted is a fault that counts the requests and events that it was done to: one that meets nothing proves nothing.
func Counted(f Fault) (counted Fault, met func() int) {
	var n atomic.Int64
	if f.Request != nil {
		counted.Request = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			passed := new(atomic.Bool)
			defer func() { // also where the fault resets the stream
				if !passed.Load() {
					n.Add(1)
				}
			}()
			f.Request(w, noting(r, passed), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, noting(r, nil)) // what another fault lets pass is not passed by this one
			}))
		}
	}
	if f.Event != nil {
		counted.Event = func(r *http.Request, e Event) Fate {
			fate := f.Event(r, e)
			if fate.Delay > 0 || fate.Lose || fate.Cut || fate.End {
				n.Add(1)
			}
			return fate
		}
	}
	return counted, func() int { return int(n.Load()) }
}

type passedKey struct{}

func noting(r *http.Request, passed *atomic.Bool) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), passedKey{}, passed))
}

// pass lets a request go on as if there was no fault.
func pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if passed, _ := r.Context().Value(passedKey{}).(*atomic.Bool); passed != nil {
		passed.Store(true)
	}
	next.ServeHTTP(w, r)
}
