package proxy

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Kind is a sort of request and what became of it.
type Kind struct {
	Verb, Resource string
	Code           int // 0: no answer, or a broken one
}

// Counts is what came by a proxy. Writes are those that Writes matches.
type Counts struct {
	Requests  map[Kind]int // as the program was answered, faults included
	Accepted  int          // writes that the API server carried out
	Unchanged int          // those of them that left the object as it was: it has the version that it had before
	Refused   int          // writes that the API server itself refused
	Unknown   int          // writes that it carried out, but the program was told otherwise or nothing
}

// Sub returns what came by since an earlier count.
func (c Counts) Sub(earlier Counts) Counts {
	c.Requests = maps.Clone(c.Requests)
	for k, n := range earlier.Requests {
		if c.Requests[k] -= n; c.Requests[k] == 0 {
			delete(c.Requests, k)
		}
	}
	c.Accepted -= earlier.Accepted
	c.Unchanged -= earlier.Unchanged
	c.Refused -= earlier.Refused
	c.Unknown -= earlier.Unknown
	return c
}

type counts struct {
	mu sync.Mutex
	Counts
}

func (c *counts) read() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.Counts
	out.Requests = maps.Clone(c.Requests)
	return out
}

// note counts a request, when it is over.
func (c *counts) note(a Asked, write bool, code int, o *outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Requests == nil {
		c.Requests = map[Kind]int{}
	}
	c.Requests[Kind{a.Verb, a.Resource, code}]++
	if !write {
		return
	}
	c.Accepted += o.accepted
	c.Unchanged += o.unchanged
	c.Refused += o.refused
	if o.accepted > 0 && code/100 != 2 {
		c.Unknown++
	}
}

// outcome is what the API server made of a write.
type outcome struct{ accepted, unchanged, refused int }

type outcomeKey struct{}

func (o *outcome) answered(by *recorder, before string) {
	if by.code/100 != 2 {
		o.refused++
		return
	}
	o.accepted++
	if before != "" && before == versionOf(by.Header().Get("Content-Type"), by.body.Bytes()) {
		o.unchanged++
	}
}

// versionOf is the version of an object in an answer. In protobuf the metadata of each is where that of a PartialObjectMetadata is.
func versionOf(contentType string, object []byte) string {
	if strings.Contains(contentType, "protobuf") {
		var envelope runtime.Unknown
		var o metav1.PartialObjectMetadata
		if data, ok := bytes.CutPrefix(object, []byte("k8s\x00")); !ok || envelope.Unmarshal(data) != nil || o.Unmarshal(envelope.Raw) != nil {
			return ""
		}
		return o.ResourceVersion
	}
	var u struct {
		Metadata struct{ ResourceVersion string }
	}
	if json.Unmarshal(object, &u) != nil {
		return ""
	}
	return u.Metadata.ResourceVersion
}

// version is the version of the object that a request is about to change; empty where it makes or deletes one.
func (p *Proxy) version(r *http.Request) string {
	if r.Method != http.MethodPatch && r.Method != http.MethodPut {
		return ""
	}
	url := *p.target
	url.Path = strings.TrimSuffix(url.Path, "/") + r.URL.Path
	get, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url.String(), nil)
	if err != nil {
		return ""
	}
	get.Header.Set("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
	resp, err := p.admin.RoundTrip(get)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var u struct {
		Metadata struct{ ResourceVersion string }
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&u) != nil {
		return ""
	}
	return u.Metadata.ResourceVersion
}

// coded notes the code of an answer.
type coded struct {
	http.ResponseWriter
	code int
}

func (c *coded) WriteHeader(code int) {
	if c.code == 0 {
		c.code = code
	}
	c.ResponseWriter.WriteHeader(code)
}

func (c *coded) Write(b []byte) (int, error) {
	if c.code == 0 {
		c.code = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets what is behind be flushed.
func (c *coded) Unwrap() http.ResponseWriter { return c.ResponseWriter }
