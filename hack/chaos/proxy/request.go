package proxy

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// Asked is what a request asks for, in the API server's words.
type Asked struct {
	Verb      string // get, list, watch, create, update, patch, apply, delete, deletecollection
	Resource  string // such as secrets; empty for what is no resource, such as /healthz
	Namespace string // empty for all
	Name      string // of one object; of a list or watch, the one that its field selector names
	Streamed  bool   // a watch that begins with all that there is
}

// Ask reads what a request asks for.
func Ask(r *http.Request) (a Asked) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return Asked{Verb: strings.ToLower(r.Method)}
	}
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "finalize" && parts[2] != "status" {
		a.Namespace, parts = parts[1], parts[2:]
	}
	a.Resource = parts[0]
	named := len(parts) > 1
	if named {
		a.Name = parts[1]
	}
	query := r.URL.Query()
	for _, condition := range strings.Split(query.Get("fieldSelector"), ",") {
		if name, ok := strings.CutPrefix(condition, "metadata.name="); ok && !named {
			a.Name = name
		}
	}
	a.Streamed = query.Get("sendInitialEvents") == "true"
	a.Verb = verb(r, named, query.Get("watch"))
	return a
}

func verb(r *http.Request, named bool, watch string) string {
	switch {
	case r.Method == http.MethodGet && (watch == "true" || watch == "1"):
		return "watch"
	case r.Method == http.MethodGet && named:
		return "get"
	case r.Method == http.MethodGet:
		return "list"
	case r.Method == http.MethodPost:
		return "create"
	case r.Method == http.MethodPut:
		return "update"
	case r.Method == http.MethodPatch && strings.HasPrefix(r.Header.Get("Content-Type"), "application/apply-patch"):
		return "apply"
	case r.Method == http.MethodDelete && !named:
		return "deletecollection"
	}
	return strings.ToLower(r.Method)
}

// Match tells which requests something is about.
type Match func(r *http.Request) bool

// Writes are requests that change something, but for the Lease and Events, which are no one's work.
func Writes(r *http.Request) bool {
	a := Ask(r)
	return r.Method != http.MethodGet && r.Method != http.MethodHead && a.Resource != "" && a.Resource != "leases" && a.Resource != "events"
}

// Reads are gets and lists.
func Reads(r *http.Request) bool { return Verb("get", "list")(r) }

// Lists are lists, and watches that begin with all that there is.
func Lists(r *http.Request) bool {
	a := Ask(r)
	return a.Verb == "list" || a.Streamed
}

// Watches are watches of every sort.
func Watches(r *http.Request) bool { return Ask(r).Verb == "watch" }

// Verb matches requests of these verbs.
func Verb(verbs ...string) Match {
	return func(r *http.Request) bool { return slices.Contains(verbs, Ask(r).Verb) }
}

// Resource matches requests for these resources, such as secrets.
func Resource(resources ...string) Match {
	return func(r *http.Request) bool { return slices.Contains(resources, Ask(r).Resource) }
}

// Named matches requests for objects of this name, and the lists and watches that are limited to it.
func Named(name string) Match { return func(r *http.Request) bool { return Ask(r).Name == name } }

// All matches what all of these match.
func All(of ...Match) Match {
	return func(r *http.Request) bool {
		return !slices.ContainsFunc(of, func(m Match) bool { return !m(r) })
	}
}

// Not matches what this does not match.
func Not(m Match) Match { return func(r *http.Request) bool { return !m(r) } }

// Share matches a request, or an event of a watch, with this probability, from 0 to 1.
func Share(p float64) Match { return func(*http.Request) bool { return rand.Float64() < p } }
