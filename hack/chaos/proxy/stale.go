package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
)

// StaleLists has the cluster listed as it was at this version, as by an API server whose cache is behind. Watches that
// follow begin at that version, and so see all that came since. It is good for as long as etcd keeps the version: five
// minutes.
func StaleLists(version string) Fault {
	return Fault{Request: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := Ask(r)
		switch {
		case a.Verb == "list" && !r.URL.Query().Has("continue"):
			next.ServeHTTP(w, at(r, version))
		case a.Streamed:
			streamStale(w, r, next, version)
		default:
			pass(w, r, next)
		}
	}}
}

// at asks for exactly this version.
func at(r *http.Request, version string) *http.Request {
	r = r.Clone(r.Context())
	query := r.URL.Query()
	query.Set("resourceVersion", version)
	query.Set("resourceVersionMatch", "Exact")
	r.URL.RawQuery = query.Encode()
	return r
}

// streamStale answers a watch that begins with all that there is with a list of that version, and then all that came since.
func streamStale(w http.ResponseWriter, r *http.Request, next http.Handler, version string) {
	list := r.Clone(r.Context())
	query := list.URL.Query()
	for _, key := range []string{"watch", "sendInitialEvents", "allowWatchBookmarks", "timeoutSeconds", "timeout"} {
		query.Del(key)
	}
	list.URL.RawQuery = query.Encode()
	listed := newRecorder()
	next.ServeHTTP(listed, at(list, version))
	events, err := initialEvents(listed)
	if listed.code != http.StatusOK || err != nil {
		listed.send(w)
		return
	}
	watch := r.Clone(r.Context())
	watch.Header.Set("Accept", "application/json") // as what it begins with
	query = watch.URL.Query()
	query.Del("sendInitialEvents")
	query.Del("resourceVersionMatch")
	query.Set("resourceVersion", version)
	watch.URL.RawQuery = query.Encode()
	next.ServeHTTP(&preceded{ResponseWriter: w, first: events}, watch)
}

// initialEvents makes of a list what a watch begins with: an event for each object, and a bookmark.
func initialEvents(listed *recorder) (events []byte, err error) {
	var list struct {
		Kind, APIVersion string
		Metadata         map[string]any
		Items            []map[string]any
	}
	if err := json.Unmarshal(listed.body.Bytes(), &list); err != nil {
		return nil, err
	}
	kind := strings.TrimSuffix(list.Kind, "List")
	add := func(what string, object map[string]any) {
		object["kind"], object["apiVersion"] = kind, list.APIVersion
		events = append(append(events, encode(map[string]any{"type": what, "object": object})...), '\n')
	}
	for _, item := range list.Items {
		add("ADDED", item)
	}
	add("BOOKMARK", map[string]any{"metadata": map[string]any{
		"resourceVersion": list.Metadata["resourceVersion"], "annotations": map[string]any{"k8s.io/initial-events-end": "true"},
	}})
	return events, nil
}

// preceded is an answer that begins with something else, if it is one at all.
type preceded struct {
	http.ResponseWriter
	first []byte
	begun bool
}

func (p *preceded) WriteHeader(code int) {
	if code != http.StatusOK {
		p.first = nil
	}
	p.begun = true
	p.ResponseWriter.WriteHeader(code)
	_, _ = p.ResponseWriter.Write(p.first)
}

func (p *preceded) Write(b []byte) (int, error) {
	if !p.begun {
		p.WriteHeader(http.StatusOK)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets what is behind be flushed.
func (p *preceded) Unwrap() http.ResponseWriter { return p.ResponseWriter }
