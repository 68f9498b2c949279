package main

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// model says how a cost grows: linear in namespaces, copies and service accounts, with something that is there from
// the beginning. Nothing takes less than nothing, so no part is negative; 0 says that a part cannot be told from noise.
type model struct{ base, namespace, copy, account float64 }

// fit finds the model that is nearest to what was measured, by least squares; a part that comes out negative is left
// out, one at a time, and the others are fitted anew. Where all sizes are alike in something, its part cannot be told
// apart, and there is an error.
func fit(of []result, cost func(result) float64) (m model, err error) {
	if len(of) < 4 {
		return m, fmt.Errorf("%d sizes do not tell what depends on what", len(of))
	}
	parts := []*float64{&m.base, &m.namespace, &m.copy, &m.account}
	for left := []int{0, 1, 2, 3}; len(left) > 0; {
		x, err := solve(of, left, cost)
		if err != nil {
			return m, fmt.Errorf("the sizes that were measured do not tell what depends on what: %w", err)
		}
		for i, part := range left {
			*parts[part] = x[i]
		}
		least := slices.Index(x, slices.Min(x))
		if x[least] >= 0 {
			break
		}
		*parts[left[least]] = 0
		left = slices.Delete(left, least, least+1)
	}
	return m, nil
}

// solve finds some of the parts of a model, the others being 0.
func solve(of []result, parts []int, cost func(result) float64) ([]float64, error) {
	a, b := mat.NewDense(len(of), len(parts), nil), mat.NewVecDense(len(of), nil)
	for i, r := range of {
		all := []float64{1, float64(r.Namespaces), float64(r.Namespaces * r.Secrets), float64(r.Namespaces * r.Accounts)}
		for j, part := range parts {
			a.Set(i, j, all[part])
		}
		b.SetVec(i, cost(r))
	}
	var x mat.VecDense
	err := x.SolveVec(a, b)
	return x.RawVector().Data, err
}

func (m model) at(namespaces, secrets, accounts int) float64 {
	n := float64(namespaces)
	return m.base + m.namespace*n + m.copy*n*float64(secrets) + m.account*n*float64(accounts)
}

// off is by how much the model is off at most, as a share of what was measured.
func (m model) off(of []result, cost func(result) float64) (most float64) {
	for _, r := range of {
		if got := cost(r); got > 0 {
			most = max(most, abs(m.at(r.Namespaces, r.Secrets, r.Accounts)-got)/got)
		}
	}
	return most
}

func abs(x float64) float64 { return max(x, -x) }
