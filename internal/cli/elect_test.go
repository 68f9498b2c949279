package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestLeaderElectionIsRefusedWhereNobodyStandsBy(t *testing.T) {
	var out, errors bytes.Buffer
	status := Main(context.Background(), []string{"run", "-leader-elect", "-runonce", "-kubeconfig", "/nowhere"}, strings.NewReader(""), &out, &errors)
	if status != 1 || !strings.Contains(errors.String(), "-leader-elect is for") {
		t.Errorf("exit status %d, %s", status, &errors)
	}
}

// TestLeaderElectionIsOffInTheAncestorsMode holds that an image that is exchanged starts: tamcore's fork has this flag.
func TestLeaderElectionIsOffInTheAncestorsMode(t *testing.T) {
	o, err := parse(t, "-leader-elect", "-secretname=x")
	if err != nil || o.leaderElect {
		t.Fatalf("leader election %t, error %v", o.leaderElect, err)
	}
	if len(o.warnings) != 1 || !strings.HasPrefix(o.warnings[0], "-leader-elect: no leader is elected, because -secretname makes the rule") {
		t.Errorf("the warnings are %q", o.warnings)
	}
}
