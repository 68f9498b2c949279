package registry

// A Verdict is what a registry's answer means. Only Accepted, Refused and NoRegistry are definite; whoever acts on a
// verdict takes the others for no answer.
type Verdict string

// The verdicts.
const (
	// Accepted: the registry asked for a credential and took this one.
	Accepted Verdict = "Accepted"
	// Refused: the registry, or the token server that it names, said no to this credential.
	Refused Verdict = "Refused"
	// Unreachable: no answer, or none that says anything of the credential: a time-out, a certificate that is not trusted,
	// 429, 5xx, a redirect, a challenge that the kubelet cannot meet.
	Unreachable Verdict = "Unreachable"
	// NoRegistry: what answers there is no registry.
	NoRegistry Verdict = "NoRegistry"
	// Anonymous: the registry asked for no credential, so it says nothing of this one.
	Anonymous Verdict = "Anonymous"
	// NotAsked: there is nobody to ask: a host with wildcards, one that no image can be of, a username without a password.
	NotAsked Verdict = "NotAsked"
	// NotFound, of an image alone: it is not there, or not for who has this credential; registries do not tell the two apart.
	NotFound Verdict = "NotFound"
)

// Answer is what came of one entry of a credential. It holds nothing of the credential, and may be printed.
type Answer struct {
	Host    string // as the entry names it
	Verdict Verdict
	Detail  string  // what the registry said, or why it could not be asked, in one line; empty where there is nothing to say
	Images  []Image // those that were asked about and that the kubelet tries this entry for, in the order of the question
}

// Image says whether an image may be pulled with an entry: Accepted, Refused, NotFound or Unreachable.
type Image struct {
	Name    string // in full, as docker.io/library/nginx:1.27
	Verdict Verdict
	Detail  string
}
