package reconcile

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/election"
)

// slowLease is an API server that knows one Lease, as it was written last, and takes long to answer a renewal.
type slowLease struct {
	mu    sync.Mutex
	lease []byte
	takes time.Duration
}

func (s *slowLease) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(code int, body []byte) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
	}
	switch {
	case r.Method == http.MethodPut:
		select {
		case <-time.After(s.takes):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		fallthrough
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lease = body
		return answer(http.StatusOK, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil {
		return answer(http.StatusNotFound, []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
	}
	return answer(http.StatusOK, s.lease)
}

// TestANamespaceIsNotForgottenWhileTheLeaseIsNotSure because a renewal takes long, and then comes all the same.
func TestANamespaceIsNotForgottenWhileTheLeaseIsNotSure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slowLease{takes: 3400 * time.Millisecond}
		e, err := election.New(&rest.Config{Host: "http://api.example", Transport: api,
			ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, "pullsecrets", zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		p := largePolicy(t, 1)
		ins, haves := largeCluster(p, 1, 1, true)
		c := cachedBy(Config{Log: zerolog.Nop(), Workers: 1, Election: e}, p, ins, haves)
		resign := e.Start(func() {}, func(err error) { t.Log(err) })
		defer resign()
		defer c.queue.ShutDown()
		synctest.Wait()
		c.activator.Activate(t.Context(), p)
		unheld := 0
		for range 600 { // a minute
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			held := e.Holds()
			again, err := c.reconcile(t.Context(), ins[0].Namespace.Name, false)
			if err != nil || held == (again > 0) {
				t.Fatalf("held is %t: again in %s, %v", held, again, err)
			}
			if !held {
				unheld++
			}
		}
		select {
		case <-e.Lost():
			t.Error("the Lease was lost")
		default:
		}
		if unheld == 0 {
			t.Error("it was sure all the time")
		}
	})
}
