package cli

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// secretsBeside returns the Secrets that are in a file or folder, or on standard input, and whether it has no other
// objects. What cannot be read is left out: whoever reads the policy tells it.
func secretsBeside(file string, stdin []byte) (secrets []policyfile.Object, alone bool) {
	alone = true
	for name, text := range textsOf(file, stdin) {
		f, err := policyfile.Parse(name, string(text))
		alone = alone && err == nil && f.Content == policyfile.ManifestContent && f.Mixed == 0
		for _, o := range f.Objects {
			if o.APIVersion == "v1" && o.Kind == "Secret" {
				secrets = append(secrets, o)
			} else {
				alone = false
			}
		}
	}
	return secrets, alone && len(secrets) > 0
}

// textsOf yields the files of which readPolicy makes a policy, with their names.
func textsOf(file string, stdin []byte) func(yield func(name string, text []byte) bool) {
	return func(yield func(name string, text []byte) bool) {
		if file == "-" {
			yield(policyfile.StandardInput, stdin)
			return
		}
		entries, err := os.ReadDir(file)
		if err != nil { // no folder
			if text, err := os.ReadFile(file); err == nil {
				yield(file, text)
			}
			return
		}
		for _, e := range entries {
			if e.IsDir() || !policy.IsDocument(e.Name()) || policyfile.IsKustomization(e.Name()) {
				continue
			}
			path := filepath.Join(file, e.Name())
			if text, err := os.ReadFile(path); err == nil && !yield(path, text) {
				return
			}
		}
	}
}

// secretKey is what a policy calls the Secret; one without a namespace goes to the controller's.
func secretKey(o policyfile.Object, namespace string) types.NamespacedName {
	if o.Namespace != "" {
		namespace = o.Namespace
	}
	return types.NamespacedName{Namespace: namespace, Name: o.Name}
}

// judgeSources judges the Secrets that are sources of a policy; without one, those of the two types of registry
// credentials.
func judgeSources(secrets []policyfile.Object, p *policy.Policy, namespace string) (findings []policyfile.LocatedProblem, judged int) {
	projector := cluster.NewProjector([]byte("validate"))
	for _, o := range secrets {
		meant := cluster.DataKey(policyfile.Scalar(o.Root, "type")) != ""
		if p != nil {
			meant = slices.Contains(p.Sources(), secretKey(o, namespace))
		}
		if meant {
			judged++
			findings = append(findings, judgeSecret(o, projector, namespace)...)
		}
	}
	return findings, judged
}

// judgeSecret says what is wrong with a Secret as a source, as the controller will.
func judgeSecret(o policyfile.Object, projector *cluster.Projector, namespace string) (findings []policyfile.LocatedProblem) {
	say := func(warning bool, format string, args ...any) {
		findings = append(findings, policyfile.LocatedProblem{Problem: policy.Problem{
			Document: o.File, Path: "Secret " + secretKey(o, namespace).String(), Line: credentialLine(o),
			Message: fmt.Sprintf(format, args...), Warning: warning,
		}, Position: policyfile.Position{File: o.File}})
	}
	if policyfile.Field(o.Root, "sops") != nil {
		say(true, "it is encrypted with SOPS, so what it holds is not judged here")
		return findings
	}
	u, err := decodedSecret(o)
	if err != nil {
		say(false, "it cannot be read: data and stringData are mappings of text, with each key once")
		return findings
	}
	source := projector.Source(u)
	if source.Defect != "" {
		// Flux decrypts what a secretGenerator reads when it applies it, so in git that is no mistake.
		say(source.Defect == cluster.DefectEncrypted, "it cannot be used as a source: %s (%s)", source.Cause, source.Defect)
		return findings
	}
	state := policy.SourceState{Status: policy.SourceUsable, Source: source}
	for _, finding := range plan.Findings(state, time.Now(), plan.ExpiryWarning) {
		say(true, "%s (%s)", finding.Text, finding.Reason)
	}
	return findings
}

// decodedSecret is the object as the API server stores it: with stringData in data.
func decodedSecret(o policyfile.Object) (*unstructured.Unstructured, error) {
	var content struct {
		Metadata struct {
			Annotations map[string]any `yaml:"annotations"`
		} `yaml:"metadata"`
		Type       string            `yaml:"type"`
		Data       map[string]string `yaml:"data"`
		StringData map[string]string `yaml:"stringData"`
	}
	if err := o.Root.Decode(&content); err != nil {
		return nil, err // has values in it
	}
	data := map[string]any{}
	for key, value := range content.Data {
		data[key] = value
	}
	for key, value := range content.StringData {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	u := &unstructured.Unstructured{Object: map[string]any{"type": content.Type, "data": data}}
	if at, ok := content.Metadata.Annotations[cluster.AnnotationExpires]; ok {
		text, _ := at.(string) // without quotes YAML reads a time, which the API server refuses
		u.SetAnnotations(map[string]string{cluster.AnnotationExpires: text})
	}
	return u, nil
}

// credentialLine is where the credential stands, or else where the object does.
func credentialLine(o policyfile.Object) int {
	for _, name := range []string{"stringData", "data"} {
		values := policyfile.Field(o.Root, name)
		if values == nil || values.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(values.Content); i += 2 {
			if key := values.Content[i]; key.Value == cluster.KeyDockerConfigJSON || key.Value == cluster.KeyDockercfg {
				return key.Line
			}
		}
	}
	return o.Root.Line
}

// readOnce reads standard input where a file is it: the policy and the secrets beside it are read one after the other.
func readOnce(files []string, stdin io.Reader) ([]byte, error) {
	if !slices.Contains(files, "-") {
		return nil, nil
	}
	text, err := io.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", policyfile.StandardInput, err)
	}
	return text, nil
}

// judgeFile judges the policy of a file, and the sources that are beside it. A file that has nothing but Secrets needs no
// policy.
func (f *validateFlags) judgeFile(v *verdict, file string, stdin []byte) error {
	secrets, alone := secretsBeside(file, stdin)
	if alone {
		if findings, judged := judgeSources(secrets, nil, f.namespace); judged > 0 {
			v.addSecrets(findings, judged)
			return nil
		}
	}
	source, err := f.read(file, bytes.NewReader(stdin))
	if err != nil {
		return err
	}
	p, findings := source.Parse(f.options())
	v.add(p, findings)
	if p != nil { // without a policy nobody knows which secrets are meant
		findings, _ = judgeSources(secrets, p, f.namespace)
		v.addSecrets(findings, 0)
	}
	return nil
}

// addSecrets takes in what is said of secrets. alone counts those that stand without a policy.
func (v *verdict) addSecrets(findings []policyfile.LocatedProblem, alone int) {
	v.secrets += alone
	v.findings = append(v.findings, findings...)
	if slices.ContainsFunc(findings, func(f policyfile.LocatedProblem) bool { return !f.Warning }) {
		v.valid = false
	}
}
