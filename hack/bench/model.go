package main

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// model says how a cost grows: linear in namespaces, copies and service accounts, with something that is there from
// the beginning.
type model struct{ base, namespace, copy, account float64 }

// fit finds the model that is nearest to what was measured, by least squares. Where all sizes are alike in something,
// its part cannot be told apart, and there is an error.
func fit(of []result, cost func(result) float64) (m model, err error) {
	if len(of) < 4 {
		return m, fmt.Errorf("%d sizes do not tell what depends on what", len(of))
	}
	a, b := mat.NewDense(len(of), 4, nil), mat.NewDense(len(of), 1, nil)
	for i, r := range of {
		a.SetRow(i, []float64{1, float64(r.Namespaces), float64(r.Namespaces * r.Secrets), float64(r.Namespaces * r.Accounts)})
		b.Set(i, 0, cost(r))
	}
	var x mat.Dense
	if err := x.Solve(a, b); err != nil {
		return m, fmt.Errorf("the sizes that were measured do not tell what depends on what: %w", err)
	}
	return model{x.At(0, 0), x.At(1, 0), x.At(2, 0), x.At(3, 0)}, nil
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
