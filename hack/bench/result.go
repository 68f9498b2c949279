package main

import (
	"math"
	"slices"
	"time"
)

// result is one workload at one size. Times are by round, or by namespace where namespaces come one by one.
type result struct {
	Workload    string    `json:"workload"`
	Namespaces  int       `json:"namespaces"`
	Secrets     int       `json:"secrets"`
	Accounts    int       `json:"accounts"`
	Unrelated   int       `json:"unrelated,omitempty"`
	Floor       []float64 `json:"floor,omitempty"`         // seconds; of a burst: until the default account was there
	Informed    []float64 `json:"informedFloor,omitempty"` // seconds of the bare loop with informers running
	Took        []float64 `json:"took,omitempty"`          // seconds
	CPU         []float64 `json:"cpuSeconds,omitempty"`    // of the process
	InformedCPU []float64 `json:"informedFloorCPUSeconds,omitempty"`
	FloorCPU    []float64 `json:"floorCPUSeconds,omitempty"` // of the bare loop
	Server      []float64 `json:"serverCPUSeconds,omitempty"`
	FloorSrv    []float64 `json:"floorServerCPUSeconds,omitempty"`
	Peak        []float64 `json:"peakRSS,omitempty"` // bytes
	Sent        int       `json:"bytesSent,omitempty"`
	Received    int       `json:"bytesReceived,omitempty"`
	Requests    requests  `json:"requests,omitempty"` // of the last round
	Bound       string    `json:"bound,omitempty"`
	Missed      bool      `json:"missed"`
	Note        string    `json:"note,omitempty"`
}

func (l *lab) result(workload string) result {
	return result{Workload: workload, Namespaces: len(l.names), Secrets: l.secrets, Accounts: l.accounts, Unrelated: l.unrelated}
}

func (r *result) took(d time.Duration) { r.Took = append(r.Took, d.Seconds()) }

func (r *result) used(u usage, server time.Duration) {
	r.CPU = append(r.CPU, u.CPU.Seconds())
	r.Peak = append(r.Peak, float64(u.Peak))
	r.Server = append(r.Server, server.Seconds())
}

func (r *result) floors(bare, informed floor) {
	r.Floor = append(r.Floor, bare.took.Seconds())
	r.FloorCPU = append(r.FloorCPU, bare.client.CPU.Seconds())
	r.FloorSrv = append(r.FloorSrv, bare.server.Seconds())
	if informed.took > 0 {
		r.Informed = append(r.Informed, informed.took.Seconds())
		r.InformedCPU = append(r.InformedCPU, informed.client.CPU.Seconds())
	}
}

// quantile is the smallest of the values that at least this share of them does not exceed.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(share*float64(len(sorted))))-1))]
}

func median(values []float64) float64 { return quantile(values, 0.5) }
