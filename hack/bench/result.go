package main

import (
	"math"
	"slices"
	"time"
)

// The workloads.
const (
	workloadFirst    = "first convergence"
	workloadRestart  = "restart, converged"
	workloadRotation = "rotation"
	workloadAdded    = "registry added"
	workloadNothing  = "edit that changes nothing"
	workloadDuring   = "new namespaces during a rotation"
	workloadBurst    = "100 new namespaces in 5 s"
	workloadBaseline = "first convergence of another program"
	workloadBefore   = "first convergence of another build"
	workloadIdle     = "nothing happens"
	workloadPlain    = "restart, converged, with lists in place of watch-lists"
)

// result is one workload at one size. Times are by round, or by namespace where namespaces come one by one.
type result struct {
	Workload    string    `json:"workload"`
	Name        string    `json:"name,omitempty"` // of another program
	Namespaces  int       `json:"namespaces"`
	Secrets     int       `json:"secrets"`
	Accounts    int       `json:"accounts"`
	Attach      mode      `json:"attach,omitempty"`
	Apart       bool      `json:"apart,omitempty"` // the control plane and what is measured have a processor each
	Unrelated   int       `json:"unrelated,omitempty"`
	Earlier     bool      `json:"earlier,omitempty"`       // of an earlier build, which later ones are held against
	Floor       []float64 `json:"floor,omitempty"`         // seconds; of a burst: until the default account was there
	Informed    []float64 `json:"informedFloor,omitempty"` // seconds of the bare loop with informers running
	Took        []float64 `json:"took,omitempty"`          // seconds
	CPU         []float64 `json:"cpuSeconds,omitempty"`    // of the process
	InformedCPU []float64 `json:"informedFloorCPUSeconds,omitempty"`
	FloorCPU    []float64 `json:"floorCPUSeconds,omitempty"` // of the bare loop
	Server      []float64 `json:"serverCPUSeconds,omitempty"`
	FloorSrv    []float64 `json:"floorServerCPUSeconds,omitempty"`
	InformedSrv []float64 `json:"informedFloorServerCPUSeconds,omitempty"`
	Etcd        []float64 `json:"etcdCPUSeconds,omitempty"`
	FloorEtcd   []float64 `json:"floorEtcdCPUSeconds,omitempty"`
	Other       []float64 `json:"otherSeconds,omitempty"` // that the other program took in the same rounds
	Peak        []float64 `json:"peakRSS,omitempty"`      // bytes
	Idle        int       `json:"idleRSS,omitempty"`      // bytes at the peak of a process without a policy, in an empty cluster
	Storage     int       `json:"storage,omitempty"`      // bytes that etcd's database takes after it
	ServerRSS   int       `json:"serverRSS,omitempty"`    // bytes of the API server, resident after it
	Sent        int       `json:"bytesSent,omitempty"`
	Received    int       `json:"bytesReceived,omitempty"`
	FloorSent   int       `json:"floorBytesSent,omitempty"`
	FloorRecv   int       `json:"floorBytesReceived,omitempty"`
	Requests    requests  `json:"requests,omitempty"` // of the worst round
	tried       map[int][]floor
	Bound       string  `json:"-"`
	Over        float64 `json:"-"` // as judge found it
	Missed      bool    `json:"-"`
	Note        string  `json:"note,omitempty"`
}

func (l *lab) result(workload string) result {
	return result{
		Workload: workload, Namespaces: len(l.names), Secrets: l.secrets, Accounts: l.accounts, Unrelated: l.unrelated, Attach: l.mode, Apart: l.apart, Earlier: l.earlier,
	}
}

// births reports whether times are by namespace.
func (r *result) births() bool { return r.Workload == workloadDuring || r.Workload == workloadBurst }

func (r *result) took(d time.Duration) { r.Took = append(r.Took, d.Seconds()) }

func (r *result) used(u usage, server, etcd time.Duration) {
	r.Etcd = append(r.Etcd, etcd.Seconds())
	r.CPU = append(r.CPU, u.CPU.Seconds())
	r.Peak = append(r.Peak, float64(u.Peak))
	r.Server = append(r.Server, server.Seconds())
}

// bare takes in a round of the bare loop with a number of workers. The floor is that of the number which is fastest at the
// median: the fastest of each round would be whichever the machine disturbed least, and pullsecrets has one try.
func (r *result) bare(workers int, f floor) {
	if r.tried == nil {
		r.tried = map[int][]floor{}
	}
	r.tried[workers] = append(r.tried[workers], f)
	r.Floor, r.FloorCPU, r.FloorSrv, r.FloorEtcd = nil, nil, nil, nil
	for _, f := range r.tried[r.fastest()] {
		r.Floor = append(r.Floor, f.took.Seconds())
		r.FloorCPU = append(r.FloorCPU, f.client.CPU.Seconds())
		r.FloorSrv = append(r.FloorSrv, f.server.Seconds())
		r.FloorEtcd = append(r.FloorEtcd, f.etcd.Seconds())
	}
}

// fastest is the number of workers with which the bare loop is fastest so far.
func (r *result) fastest() (workers int) {
	best := math.Inf(1)
	for _, n := range floorWorkers {
		var took []float64
		for _, f := range r.tried[n] {
			took = append(took, f.took.Seconds())
		}
		if m := median(took); len(took) > 0 && m < best {
			best, workers = m, n
		}
	}
	return workers
}

func (r *result) informed(f floor) {
	r.Informed = append(r.Informed, f.took.Seconds())
	r.InformedCPU = append(r.InformedCPU, f.client.CPU.Seconds())
	r.InformedSrv = append(r.InformedSrv, f.server.Seconds())
}

// asked keeps the requests of the worst round, which is the one that a bound is held to.
func (r *result) asked(n requests) {
	if r.Requests == nil || r.fault(n) > r.fault(r.Requests) {
		r.Requests = n
	}
}

// fault is by how many requests a round is off from what its workload may ask; where there is no such bound, all are.
func (r *result) fault(n requests) int {
	distributed := n.sum("secrets", writes...) + n.sum("serviceaccounts", writes...)
	switch r.Workload {
	case workloadFirst:
		return int(abs(float64(distributed - r.exact())))
	case workloadNothing:
		return distributed + n.sum("", "GET") // the edit itself, and our note on it that it was seen, may be
	}
	return n.sum("", append(writes, "GET")...)
}

// exact is how many writes a first convergence takes: one for each copy, and one for each account if rules attach to those.
func (r *result) exact() int {
	if r.Attach == pods {
		return r.Namespaces * r.Secrets
	}
	return r.Namespaces * (r.Secrets + r.Accounts)
}

// objects is how many namespaces, copies and accounts there are.
func (r *result) objects() int { return r.Namespaces * (1 + r.Secrets + r.Accounts) }

// ratio is the median over the rounds of took to a floor plus some seconds. Both are of one round, because the machine may
// be busier in another.
func (r result) ratio(floors []float64, plus float64) float64 {
	return median(ratios(r.Took, floors, plus))
}

// ratios are those of each round: what one took to what another did, and some seconds.
func ratios(one, another []float64, plus float64) (all []float64) {
	for i := range min(len(one), len(another)) {
		all = append(all, one[i]/(another[i]+plus))
	}
	return all
}

// after is how long each new namespace took once its account was there.
func (r result) after() (out []float64) {
	for i, took := range r.Took {
		out = append(out, took-r.Floor[i])
	}
	return out
}

// quantile is the smallest of the values that at least this share of them does not exceed.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(share*float64(len(sorted))))-1))]
}

// median is the mean of the two in the middle where there is no middle one.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted, half := slices.Sorted(slices.Values(values)), len(values)/2
	if len(values)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
