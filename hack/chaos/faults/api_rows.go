package faults

import (
	"net/http"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
)

const (
	usual = 15 * time.Second
	long  = 65 * time.Second // for what is late by a minute
)

// The parts of the conversation that faults are about.
var (
	half       = proxy.Share(0.5)
	halfWrites = proxy.All(proxy.Writes, half)
	copyHub    = proxy.All(proxy.Resource("secrets"), proxy.Named("chaos-hub"))
	sourceHub  = proxy.All(proxy.Resource("secrets"), proxy.Named("hub"))
	ofAccounts = proxy.Resource("serviceaccounts")
	ofSecrets  = proxy.Resource("secrets")
	ofSpaces   = proxy.Resource("namespaces")
)

// apiRows are what networks, load balancers and API servers do to requests and watches.
var apiRows = []row{
	{name: "none-roll-out", fault: "nothing, for comparison", during: rollOut, lasts: 0, begin: inject()},

	// Slow.
	{name: "delay-roll-out", fault: "each request takes 0.5 s longer", during: rollOut, lasts: usual,
		begin: inject(proxy.Delay(500 * time.Millisecond))},
	{name: "delay-rotation", fault: "each request takes 3 s longer", during: rotation, lasts: usual,
		begin: inject(proxy.Delay(3 * time.Second))},
	{name: "delay-prune", fault: "each request takes 3 s longer", during: prune, lasts: usual,
		begin: inject(proxy.Delay(3 * time.Second))},

	// Broken off.
	{name: "cut-list-start", fault: "lists end in the middle", during: start, lasts: usual,
		begin: inject(proxy.On(proxy.Verb("list"), proxy.CutBody()), proxy.On(streamed, proxy.CutBody()))},
	{name: "cut-watch-rotation", fault: "every second event of a watch ends in the middle, and the watch with it", during: rotation, lasts: usual,
		begin: inject(proxy.On(proxy.All(proxy.Watches, half), proxy.CutBody()))},
	{name: "cut-watch-edit", fault: "each event of a watch ends in the middle, and the watch with it", during: edits, lasts: usual,
		begin: inject(proxy.On(proxy.Watches, proxy.CutBody()))},
	{name: "cut-answer-roll-out", fault: "every second write is carried out, and its answer ends in the middle", during: rollOut, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.CutBody()))},
	{name: "cut-answer-prune", fault: "every write is carried out, and its answer ends in the middle", during: prune, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.CutBody()))},

	// Answered in the API server's place.
	{name: "429-after-roll-out", fault: "every second request is answered 429, with Retry-After: 1", during: rollOut, lasts: usual,
		begin: inject(proxy.On(half, proxy.Answer(http.StatusTooManyRequests, time.Second)))},
	{name: "429-after-start", fault: "each request is answered 429, with Retry-After: 2", during: start, lasts: usual,
		begin: inject(proxy.Answer(http.StatusTooManyRequests, 2*time.Second))},
	{name: "429-edit", fault: "each request is answered 429, without Retry-After", during: edits, lasts: usual,
		begin: inject(proxy.Answer(http.StatusTooManyRequests, 0))},
	{name: "429-rotation", fault: "every second write is answered 429, without Retry-After", during: rotation, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.Answer(http.StatusTooManyRequests, 0)))},
	{name: "500-rotation", fault: "each write is answered 500, and not carried out", during: rotation, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.Answer(http.StatusInternalServerError, 0)))},
	{name: "500-done-roll-out", fault: "every second write is answered 500, and carried out", during: rollOut, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.Carried(proxy.Answer(http.StatusInternalServerError, 0))))},
	{name: "503-start", fault: "each request is answered 503", during: start, lasts: usual,
		begin: inject(proxy.Answer(http.StatusServiceUnavailable, 0))},
	{name: "503-prune", fault: "each write is answered 503, and not carried out", during: prune, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.Answer(http.StatusServiceUnavailable, 0)))},
	{name: "503-done-edit", fault: "every second write is answered 503, and carried out", during: edits, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.Carried(proxy.Answer(http.StatusServiceUnavailable, 0))))},
	{name: "504-edit", fault: "each write is answered 504, and not carried out", during: edits, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.Answer(http.StatusGatewayTimeout, 0)))},
	{name: "504-done-rotation", fault: "each write is answered 504, and carried out", during: rotation, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.Carried(proxy.Answer(http.StatusGatewayTimeout, 0))))},
	{name: "504-done-prune", fault: "every second write is answered 504, and carried out", during: prune, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.Carried(proxy.Answer(http.StatusGatewayTimeout, 0))))},
	{name: "504-done-roll-out", fault: "each write is answered 504 after 2 s, and carried out", during: rollOut, lasts: usual,
		begin: inject(proxy.On(proxy.Writes, proxy.Carried(proxy.Answer(http.StatusGatewayTimeout, 0))), proxy.On(proxy.Writes, proxy.Delay(2*time.Second)))},

	// Versions that are gone.
	{name: "410-idle", fault: "each list and each watch is answered 410", during: idle, lasts: usual, begin: inject(proxy.Gone())},
	{name: "410-edit", fault: "each watch is answered 410, and lists are answered", during: edits, lasts: usual,
		begin: inject(proxy.On(proxy.Watches, proxy.Gone()))},
	{name: "410-start", fault: "each list and each watch is answered 410", during: start, lasts: usual, begin: inject(proxy.Gone())},

	// Not known any more.
	{name: "401-idle", fault: "each request is answered 401, and all watches were cut", during: idle, lasts: usual, begin: unauthorized},
	{name: "401-rotation", fault: "each request is answered 401, and all watches were cut", during: rotation, lasts: usual, begin: unauthorized},
	{name: "token-roll-out", fault: "the token is revoked as the file gets another one", during: rollOut, lasts: usual,
		arrange: byToken, begin: func(s *stage) func() {
			s.must(s.token.replace())
			s.must(s.token.revoke())
			time.Sleep(authenticationCache)
			return func() {}
		}},
	{name: "token-rotation", fault: "the token is revoked, and the file gets another one when this ends", during: rotation, lasts: usual,
		arrange: byToken, begin: func(s *stage) func() {
			s.must(s.token.revoke())
			time.Sleep(authenticationCache)
			return func() { s.must(s.token.replace()) }
		}},

	// Streams and connections that break.
	{name: "reset-roll-out", fault: "every second HTTP/2 stream is reset before the request is carried out", during: rollOut, lasts: usual,
		begin: inject(proxy.On(half, proxy.Reset()))},
	{name: "reset-done-edit", fault: "every second write is carried out, and its HTTP/2 stream reset", during: edits, lasts: usual,
		begin: inject(proxy.On(halfWrites, proxy.Carried(proxy.Reset())))},
	{name: "connections-rotation", fault: "all connections break, each half second", during: rotation, lasts: usual, begin: breakConnections},
	{name: "connections-prune", fault: "all connections break, each half second", during: prune, lasts: usual, begin: breakConnections},

	// Bookmarks that are lost, and events that are late.
	{name: "bookmarks-start", fault: "no bookmark arrives", during: start, lasts: usual, begin: inject(proxy.LoseBookmarks())},
	// The API server sends one a minute to each watch.
	{name: "bookmarks-idle", fault: "no bookmark arrives", during: idle, lasts: long + usual, begin: inject(proxy.LoseBookmarks())},
	{name: "late-rotation", fault: "all events are late by a minute", during: rotation, lasts: long, begin: inject(proxy.DelayEvents(time.Minute))},
	{name: "late-edit", fault: "all events are late by 10 s", during: edits, lasts: 2 * usual, begin: inject(proxy.DelayEvents(10 * time.Second))},
	{name: "late-roll-out", fault: "events of service accounts are late by a minute", during: rollOut, lasts: long,
		begin: inject(proxy.On(ofAccounts, proxy.DelayEvents(time.Minute)))},
	{name: "late-prune", fault: "events of secrets are late by a minute", during: prune, lasts: long,
		begin: inject(proxy.On(ofSecrets, proxy.DelayEvents(time.Minute)))},

	// Lists that are old.
	{name: "stale-start", fault: "lists are of before the last rotation", during: start, lasts: usual, begin: stale},
	{name: "stale-edit", fault: "lists are of before the edits, and all is listed anew after two of them", during: edits, lasts: usual,
		begin: func(s *stage) func() {
			again := time.AfterFunc(usual*5/8, func() { s.Proxy.Inject(proxy.Gone())() })
			end := stale(s)
			return func() { again.Stop(); end() }
		}},

	// One watch of many.
	{name: "one-watch-rotation", fault: "the watch of one copy's name is cut whenever it begins", during: rotation, lasts: usual,
		begin: inject(proxy.On(copyHub, proxy.CutWatch()))},
	{name: "one-source-rotation", fault: "the watch of one source is cut whenever it begins", during: rotation, lasts: usual,
		begin: inject(proxy.On(sourceHub, proxy.CutWatch()))},
	{name: "one-watch-roll-out", fault: "the watch of service accounts is cut whenever it begins", during: rollOut, lasts: usual,
		begin: inject(proxy.On(ofAccounts, proxy.CutWatch()))},
	{name: "one-watch-idle", fault: "the watch of namespaces is cut whenever it begins", during: idle, lasts: usual,
		begin: inject(proxy.On(ofSpaces, proxy.CutWatch()))},
}

// streamed are watches that begin with all that there is.
func streamed(r *http.Request) bool { return proxy.Ask(r).Streamed }

// unauthorized is what follows when the program's token is not known any more, at once.
func unauthorized(s *stage) (end func()) {
	end = s.Proxy.Inject(proxy.Answer(http.StatusUnauthorized, 0))
	s.Proxy.Inject(proxy.CutWatch())()
	return end
}

// breakConnections is a load balancer that keeps no connection.
func breakConnections(s *stage) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(500 * time.Millisecond):
				s.Proxy.CutConnections()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// stale has lists answered as of the version that the row noted, or of now.
func stale(s *stage) (end func()) {
	if s.version == "" {
		version, err := s.Lab.Version()
		s.must(err)
		s.version = version
	}
	return s.Proxy.Inject(proxy.StaleLists(s.version))
}
