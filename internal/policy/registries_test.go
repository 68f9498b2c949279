package policy

import (
	"strings"
	"testing"
)

func TestNodeCredentialsCoverImages(t *testing.T) {
	p, problems := Parse(map[string]string{"a.yaml": `
apiVersion: pullsecrets/v1alpha1
kind: Policy
rules: []
nodeCredentials: ["*.dkr.ecr.*.amazonaws.com", "registry.example:5000/team"]
`, "b.yaml": `
apiVersion: pullsecrets/v1alpha1
kind: Policy
rules: []
nodeCredentials: [gcr.io]
`}, Options{Namespace: "pullsecrets"})
	if p == nil {
		t.Fatal(problems.Errors())
	}
	for repository, want := range map[string]bool{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app": true,
		"123456789012.dkr.ecr.amazonaws.com/app":           false,
		"registry.example:5000/team/app":                   true,
		"registry.example:5000/other/app":                  false,
		"registry.example/team/app":                        false,
		"gcr.io/project/app":                               true,
		"docker.io/library/nginx":                          false,
	} {
		if got := p.NodeCredentials.Cover(repository); got != want {
			t.Errorf("%s is covered: %t, want %t", repository, got, want)
		}
	}
}

func TestNodeCredentialsThatMatchNothingAreRefused(t *testing.T) {
	for glob, want := range map[string]string{
		`""`:                  "is empty",
		`"https://gcr.io"`:    "leave out https://",
		`"gcr io"`:            "can match no image",
		`"gcr.io:port"`:       "can match no image",
		`"me:secret@gcr.io"`:  "has an @ in it",
		`"*.io/*"`:            "can match no image",
		`"quay.io/Team"`:      "can match no image",
		`"quay.io/a:b"`:       "can match no image",
		`"a..b"`:              "can match no image",
		`"reg.example:99999"`: "can match no image",
		`"index.docker.io"`:   "are named docker.io",
		`"[a-"`:               "can match no image",
	} {
		_, problems := Parse(map[string]string{"a.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\nnodeCredentials: [" + glob + "]\n"}, Options{})
		if err := problems.Errors(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", glob, err, want)
		}
	}
}
