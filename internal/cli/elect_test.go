package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestLeaderElectionIsRefusedWhereNobodyStandsBy(t *testing.T) {
	for _, other := range []string{"-runonce", "-secretname=x"} {
		var out, errors bytes.Buffer
		status := Main(context.Background(), []string{"run", "-leader-elect", other, "-kubeconfig", "/nowhere"}, strings.NewReader(""), &out, &errors)
		if status != 1 || !strings.Contains(errors.String(), "-leader-elect is for") {
			t.Errorf("with %s: exit status %d, %s", other, status, &errors)
		}
	}
}
