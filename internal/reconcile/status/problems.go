package status

import (
	"encoding/json"
	"fmt"
)

// FullProblem is a problem with all the namespaces that have it; none for a problem of no namespace.
type FullProblem struct {
	Problem
	Namespaces []string `json:"namespaces,omitempty"` // sorted
	More       int      `json:"more,omitempty"`       // namespaces that there was no room for
}

const (
	// maxMap is how large the whole status ConfigMap becomes, in bytes as the API server counts them: the lengths of all values.
	// It refuses more than 1 MiB.
	maxMap = 900 << 10
	// roomForRest is what is left of that for the names of keys and for metadata.
	roomForRest = 8 << 10
	// roomSteps is by how much the room is rounded, so that it is not another for each byte of the rest.
	roomSteps = 4 << 10
	// maxProblemText is how long the text of all problems may be before it is compressed.
	maxProblemText = 8 << 20
)

// RoomForProblems is how many bytes are left for the key problems beside the other values, which have this many together.
func RoomForProblems(others int) int {
	return max(0, maxMap-roomForRest-others) / roomSteps * roomSteps
}

// PackProblems encodes problems as JSON, compressed, in at most room bytes. Where that is not enough, of each problem as many
// namespaces are kept as fit, the first by name, and the others are counted; then the first problems with one namespace each, and
// whoever reads it knows by the record's number of problems that there are more. The same problems always give the same bytes;
// none are no bytes.
func PackProblems(all []FullProblem, room int) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	most := 1
	for _, p := range all {
		most = max(most, len(p.Namespaces))
	}
	if packed, err := packFirst(all, len(all), most, room); packed != nil || err != nil {
		return packed, err
	}
	// Each try compresses all that is kept, so the search is by coarse steps.
	const steps = 64
	if most > 1 {
		packed, err := largest(steps, func(n int) ([]byte, error) { return packFirst(all, len(all), max(1, most*n/steps), room) })
		if packed != nil || err != nil {
			return packed, err
		}
	}
	return largest(steps, func(n int) ([]byte, error) { return packFirst(all, len(all)*n/steps, 1, room) })
}

// largest is what the highest n below steps gives for which there is something, from 1 on; nil if there is none.
func largest(steps int, pack func(n int) ([]byte, error)) (best []byte, err error) {
	low, high := 0, steps // low has something, or is 0; high has nothing
	for high-low > 1 {
		middle := (low + high) / 2
		packed, err := pack(middle)
		switch {
		case err != nil:
			return nil, err
		case packed == nil:
			high = middle
		default:
			low, best = middle, packed
		}
	}
	return best, nil
}

// packFirst is nil where the first problems, with so many namespaces each, do not fit.
func packFirst(all []FullProblem, problems, namespaces, room int) ([]byte, error) {
	if problems == 0 || room <= 0 {
		return nil, nil
	}
	kept := make([]FullProblem, 0, problems)
	for _, p := range all[:problems] {
		if cut := len(p.Namespaces) - namespaces; cut > 0 {
			p.Namespaces, p.More = p.Namespaces[:namespaces], p.More+cut
		}
		kept = append(kept, p)
	}
	text, err := json.Marshal(kept)
	if err != nil || len(text) > maxProblemText {
		return nil, err
	}
	packed, err := zip(text)
	if err != nil || len(packed) > room {
		return nil, err
	}
	return packed, nil
}

// UnpackProblems decodes what PackProblems made. No bytes are no problems.
func UnpackProblems(packed []byte) (all []FullProblem, err error) {
	if len(packed) == 0 {
		return nil, nil
	}
	text, err := unzip(KeyProblems, packed, maxProblemText+1)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("key %s holds no problems: %w", KeyProblems, err)
	}
	return all, nil
}

// AllProblems are the problems of a status: all of them from its key problems, but for what they count themselves, and else the
// first, from the record; whole says which. The error says why the key cannot be read.
func (r Record) AllProblems(packed []byte) (all []FullProblem, whole bool, err error) {
	all, err = UnpackProblems(packed)
	if err == nil && len(all) > 0 || r.Problems == 0 {
		return all, true, err
	}
	all = nil
	for _, p := range r.First {
		full := FullProblem{Problem: p.Problem}
		if p.Example != "" {
			full.Namespaces = append([]string{p.Example}, p.Others...)
			full.More = max(0, p.Namespaces-len(full.Namespaces))
		}
		all = append(all, full)
	}
	return all, false, err
}
