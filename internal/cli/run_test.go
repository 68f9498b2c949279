package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestSharesArePercentages holds that no process starts with a share that is none, whichever way it was given.
func TestSharesArePercentages(t *testing.T) {
	for _, name := range []string{"max-prune", "max-failing"} {
		for _, value := range []string{"-1", "101", "ten", "0.5"} {
			for _, byVariable := range []bool{false, true} {
				t.Run(name+" "+value, func(t *testing.T) {
					args := []string{"run", "-kubeconfig=/nowhere"}
					if byVariable {
						t.Setenv(variable(name), value)
					} else {
						args = append(args, "-"+name+"="+value)
					}
					var out, errs bytes.Buffer
					status := Main(context.Background(), args, strings.NewReader(""), &out, &errs)
					if said := errs.String(); status == 0 || !strings.Contains(said, name) || strings.Contains(said, "/nowhere") {
						t.Errorf("exit status %d: %s", status, said)
					}
				})
			}
		}
	}
}
