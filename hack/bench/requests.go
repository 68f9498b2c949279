package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// requests are the API server's own counts of what it was asked, by verb and resource.
type requests map[string]int

var counted = []string{"secrets", "serviceaccounts", "namespaces", "configmaps", "admissionrules"}

// metrics reads the API server's metrics.
func (l *lab) metrics() (string, error) { return l.get("/metrics") }

// get reads a path of the API server, which may have a query.
func (l *lab) get(path string) (string, error) {
	config := rest.CopyConfig(l.rest)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return "", err
	}
	text, err := client.Get().RequestURI(path).DoRaw(l.ctx)
	return string(text), err
}

// serverCPU is what the API server has used so far; 0 if it does not say.
func (l *lab) serverCPU() time.Duration {
	text, _ := l.metrics()
	return time.Duration(sample(text, "process_cpu_seconds_total") * float64(time.Second))
}

// calm has the API server collect its garbage, and the cluster come to rest, before a clock starts: what came before is
// then paid for by nobody, and all that is compared begin at the same distance from the next collection. Where profiling
// is off, it is only the rest.
func (l *lab) calm() {
	_, _ = l.get("/debug/pprof/heap?gc=1")
	time.Sleep(time.Second)
}

// fill notes how large the API server and its storage have become.
func (r *result) fill(l *lab) {
	text, _ := l.metrics()
	r.Storage = int(sample(text, "apiserver_storage_size_bytes"))
	r.ServerRSS = int(sample(text, "process_resident_memory_bytes"))
}

// sample is the value of the first sample of a metric; 0 if there is none.
func sample(text, metric string) (value float64) {
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(line, metric)
		if ok && (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, " ")) {
			_, _ = fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &value)
			return value
		}
	}
	return 0
}

// requests reads how often the API server was asked what.
func (l *lab) requests() (requests, error) {
	text, err := l.metrics()
	if err != nil {
		return nil, err
	}
	out := requests{}
	for line := range strings.SplitSeq(text, "\n") {
		labels, ok := strings.CutPrefix(line, "apiserver_request_total{")
		if !ok {
			continue
		}
		verb, resource, value := label(labels, "verb"), label(labels, "resource"), line[strings.LastIndexByte(line, ' ')+1:]
		var n float64
		if _, err := fmt.Sscan(value, &n); err == nil && slices.Contains(counted, resource) {
			out[verb+" "+resource] += int(n)
		}
	}
	return out, nil
}

func label(text, name string) string {
	_, rest, _ := strings.Cut(text, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// since is what was asked after an earlier reading.
func (r requests) since(before requests) requests {
	out := requests{}
	for k, n := range r {
		if n > before[k] {
			out[k] = n - before[k]
		}
	}
	return out
}

// sum adds up the requests of some verbs for a resource, or for all with "".
func (r requests) sum(resource string, verbs ...string) (n int) {
	for k, count := range r {
		verb, of, _ := strings.Cut(k, " ")
		if slices.Contains(verbs, verb) && (resource == "" || resource == of) {
			n += count
		}
	}
	return n
}

var writes = []string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
