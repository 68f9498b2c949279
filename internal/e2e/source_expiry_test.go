package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// token is a JSON Web Token that ends then and is an hour old. Its holder's name is in it, as that of a real one.
func token(holder string, until time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d,"sub":%q}`, time.Now().Add(-time.Hour).Unix(), until.Unix(), holder)
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte(holder))
}

// A source whose credential ends is told by the clock alone: first in an Event and in the status, then as a degraded policy.
// Copies go on, nothing is written that says nothing new, and a new credential ends it.
func TestACredentialThatEndsIsTold(t *testing.T) {
	s := newSandbox(t)
	s.ExpiryWarning = 17 * time.Second
	ns := s.Namespace("a")
	s.Source("hub", api.Credential("hub.example", "no token"))
	r := s.Start()
	s.Policy(harness.OneRule)
	s.WantStatus("Ready")
	before := s.version(api.Home, "pullsecrets-policy")

	until := time.Now().Add(20 * time.Second).UTC().Truncate(time.Second)
	ending := api.Credential("hub.example", token("robot", until))
	s.Source("hub", ending)
	at := until.Format(time.RFC3339)
	if record := s.wantFinding("SourceExpiring", "the credential for hub.example expires at "+at); record.Status != "Ready" || record.Problems != 0 {
		t.Errorf("the status is %+v", record)
	}
	s.wantEvent("SourceExpiring", "source pullsecrets/hub: the credential for hub.example expires at "+at)
	if now := s.version(api.Home, "pullsecrets-policy"); now != before && time.Now().Before(until) {
		t.Errorf("the policy ConfigMap was written: version %s, and %s before", now, before)
	}
	expiry := fmt.Sprintf(`pullsecrets_source_expiry_timestamp_seconds{source="pullsecrets/hub"} %v`, float64(until.Unix()))
	r.WantMetrics(expiry)

	s.WantStatus("Degraded", "source pullsecrets/hub: the credential for hub.example expired at "+at, "(SourceExpired)")
	s.wantFinding("SourceExpired", "expired at "+at)
	s.wantEvent("SourceExpired", "expired at "+at)
	r.WantMetrics(expiry, `pullsecrets_problems{kind="Secret",reason="SourceExpired"} 1`)
	if time.Now().Before(until) {
		t.Error("it is told before it ended")
	}
	s.WantCopy(ns, "reg", ending)
	s.WantCopy(s.Namespace("late"), "reg", ending)
	for _, command := range [][]string{{"explain", ns}, {"plan"}, {"plan", "-o", "json"}, {"plan", "-o", "markdown"}} {
		_, text, errs := s.Command(append([]string{command[0], "-kubeconfig", s.Kubeconfig}, command[1:]...)...)
		if !strings.Contains(text, "the credential for hub.example expired at "+at) || !strings.Contains(text, "SourceExpired") {
			t.Errorf("%v does not tell it:\n%s%s", command, text, errs)
		}
	}

	renewed := api.Credential("hub.example", token("robot", time.Now().Add(10*time.Hour)))
	s.Source("hub", renewed)
	s.WantCopy(ns, "reg", renewed)
	s.WantStatus("Ready")
	s.Eventually("the status tells nothing of it", func() error {
		if found := s.record().Sources; len(found) > 0 {
			return fmt.Errorf("%v", found)
		}
		return nil
	})
	if lines := r.Lines("SourceExpir", `"level":"warn"`); len(lines) != 2 {
		t.Errorf("the log has %d lines about it: %q", len(lines), lines)
	}
}

// The annotation says more than the credential, and one that is no time is told and stops nothing.
func TestTheOwnerSaysWhenACredentialEnds(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	content := api.Credential("hub.example", token("robot", time.Now().Add(-time.Hour)))
	s.Source("hub", content)
	r := s.Start()
	s.Policy(harness.OneRule)
	s.WantStatus("Degraded", "SourceExpired")
	s.WantCopy(ns, "reg", content)
	annotate := func(text string) {
		s.Merge(api.Secrets, api.Home, "hub", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/expires":%q}}}`, text))
	}
	annotate("2999-01-01T01:00:00+01:00")
	s.WantStatus("Ready")
	r.WantMetrics(fmt.Sprintf(`pullsecrets_source_expiry_timestamp_seconds{source="pullsecrets/hub"} %v`, float64(time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC).Unix())))
	annotate("next " + harness.Canary)
	s.wantFinding("ExpiryUnreadable", "no time of RFC 3339 between 2001 and 9999")
	s.WantStatus("Degraded", "SourceExpired")
	annotate("2020-01-01T00:00:00Z")
	s.WantStatus("Degraded", "its credential expired at 2020-01-01T00:00:00Z, as its annotation pullsecrets/expires says")
	if copied := s.Get(api.Secrets, ns, s.Name("reg")); copied.GetAnnotations()["pullsecrets/expires"] != "" {
		t.Error("the copy has the annotation")
	}
	r.Stop()
	if strings.Contains(r.Log.String()+s.EverythingWritten(), harness.Canary) {
		t.Error("the annotation's text is repeated")
	}
}

func (s *sandbox) version(namespace, configMap string) string {
	s.T.Helper()
	return s.Get(api.ConfigMaps, namespace, configMap).GetResourceVersion()
}

// record is what the status says.
func (s *sandbox) record() status.Record {
	s.T.Helper()
	text, _, _ := unstructured.NestedString(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object, "data", "status.json")
	return status.Decode(text)
}

// wantFinding waits until the status tells of a source, and returns the status that does.
func (s *sandbox) wantFinding(reason, words string) (found status.Record) {
	s.T.Helper()
	s.Eventually("the status tells "+reason, func() error {
		found = s.record()
		if !slices.ContainsFunc(found.Sources, func(f status.SourceFinding) bool { return f.Reason == reason && strings.Contains(f.Message, words) }) {
			return fmt.Errorf("%v", found.Sources)
		}
		return nil
	})
	return found
}

// wantEvent waits for an Event about the policy ConfigMap, which is there once.
func (s *sandbox) wantEvent(reason, words string) {
	s.T.Helper()
	s.Eventually("there is an Event "+reason, func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			message, _ := e.Object["message"].(string)
			if e.Object["reason"] == reason && strings.Contains(message, words) {
				if count, _, _ := unstructured.NestedInt64(e.Object, "count"); count != 1 {
					s.T.Errorf("it is there %d times", count)
				}
				return nil
			}
		}
		return errors.New("not yet")
	})
}
