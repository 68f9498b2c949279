package cli

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// credentialOrigin is where a running imagepullsecret-patcher has its credential from.
type credentialOrigin struct {
	namespace, secret, key string // a Secret that is mounted or referred to
	file                   string // mounted from something else
	variable               bool   // its text stands in a variable of the manifest
}

// originOf finds it. Its names are printed in commands for a shell, so they have to be names.
func originOf(w workload, a *ancestor) (c credentialOrigin, err error) {
	c.namespace = w.namespace
	switch ref := w.secretOf(a.json); {
	case ref != nil:
		c.secret, c.key = ref.Name, ref.Key
	case a.jsonPath.text != "":
		var ok bool
		if c.secret, c.key, ok = w.mounted(a.jsonPath.text); !ok {
			c.secret, c.file = "", a.jsonPath.text
		}
	case a.json.given == a.json.env && a.json.text != givenElsewhere:
		c.variable = true
	}
	if c.secret != "" && (len(validation.IsDNS1123Subdomain(c.secret)) > 0 || len(validation.IsConfigMapKey(c.key)) > 0) {
		return c, fmt.Errorf("%q, %q is no Secret with its key", c.secret, c.key)
	}
	return c, nil
}

// secretOf is where a setting's variable has its value from, if that is a Secret.
func (w workload) secretOf(s *setting) *corev1.SecretKeySelector {
	for _, v := range w.unread {
		if v.name == s.env && s.text == givenElsewhere {
			return v.secret
		}
	}
	return nil
}

// notes say what is to be known and done, for the head of what is printed.
func (m *migration) notes() []string {
	out := []string{
		fmt.Sprintf("Made from %s, with the defaults of", m.workload),
		m.ancestor().defaultsOf() + ".",
		"To be done by hand, before this is applied:",
	}
	for i, step := range m.steps() {
		first, rest, _ := strings.Cut(step, "\n")
		out = append(out, fmt.Sprintf("%d. %s", i+1, first))
		if rest != "" {
			out = append(out, strings.Split(indented(rest, "   "), "\n")...)
		}
	}
	return out
}

func (m *migration) steps() (out []string) {
	out = append(out, m.sourceStep())
	out = append(out, m.warnings()...)
	if list := m.arguments(); len(list) > 0 {
		out = append(out, "Give the controller these arguments, which are no part of a policy: "+strings.Join(list, " "))
	}
	return append(out, m.optOutStep())
}

// arguments are for the controller, which a policy does not start.
func (m *migration) arguments() (out []string) {
	a := m.ancestor()
	if list := m.sourceNamespaces(); len(list) > 0 {
		out = append(out, "-source-namespaces="+strings.Join(list, ","))
	}
	if a.debug.boolean() {
		out = append(out, "-log-level=debug")
	}
	if a.reconciles.given != "" {
		out = append(out, "-workers="+strconv.Itoa(m.settings.workers))
	}
	switch {
	case a.noMemoryLimit.boolean():
		out = append(out, "-no-auto-memlimit")
	case a.memoryShare.given != "":
		out = append(out, "-auto-memlimit-ratio="+strconv.FormatFloat(a.memoryShare.share(), 'g', -1, 64))
	}
	return out
}

// sourceStep says how the Secret comes to be that the policy names.
func (m *migration) sourceStep() string {
	a, c, w := m.ancestor(), m.credential, m.workload
	name := a.secretName.text
	put := fmt.Sprintf("  kubectl -n %s create secret generic %s --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=", m.home, name)
	switch {
	case !a.givesCredential():
		return fmt.Sprintf("The source is the Secret %s in %s, as before. It has to be of the type kubernetes.io/dockerconfigjson.", name, a.secretNamespace.text)
	case m.inPlace():
		return fmt.Sprintf("The source is the Secret %s in %s, as before. It has to be of the type kubernetes.io/dockerconfigjson.", c.secret, m.home)
	case c.secret != "":
		return fmt.Sprintf("Make the source from the Secret %s, and have there from now on what renews that one:\n", c.secret) +
			fmt.Sprintf("  kubectl -n %s get secret %s -o go-template='{{index .data %q | base64decode}}' |\n  %s", c.namespace, c.secret, c.key, put+"/dev/stdin")
	case c.variable:
		return "Make the source from the variable, whose value stands in the manifest for everybody to read:\n" +
			fmt.Sprintf("  kubectl -n %s get %s %s -o jsonpath='{%s.containers[?(@.name==%q)].env[?(@.name==%q)].value}' |\n  %s",
				c.namespace, strings.ToLower(w.kind), w.name, "."+strings.Join(podSpecs[w.kind], "."), w.container.Name, a.json.env, put+"/dev/stdin")
	case c.file != "":
		return fmt.Sprintf("Make the source from what is mounted as %s, which is no Secret:\n%s", shown(c.file), put+"FILE")
	}
	return "Make the source from the credential that the program is given:\n" + put + "FILE"
}

// optOutStep says what a policy has no setting for.
func (m *migration) optOutStep() string {
	annotation := m.ancestor().excludeAnnotation.text
	return fmt.Sprintf("A policy does not know the annotation %s. What has it gets ours:\n", annotation) +
		"  kubectl get namespaces,serviceaccounts -A -o go-template='{{range $o := .items}}{{with .metadata.annotations}}" +
		fmt.Sprintf(`{{if eq (printf "%%v" (index . %q)) "true"}}`, annotation) +
		`{{$o.kind}}/{{$o.metadata.name}}{{with $o.metadata.namespace}} -n {{.}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}' |` + "\n" +
		`  while read -r object; do kubectl annotate $object pullsecrets/exclude=true; done`
}

// warnings say what could not be read, and what is not done.
func (m *migration) warnings() (out []string) {
	for _, v := range m.workload.unread {
		switch {
		case v.name == "":
			out = append(out, "Variables come from "+v.where+", which is not read: give it along, or see that it has no CONFIG_ variables")
		case v.name == m.ancestor().json.env:
		case strings.HasPrefix(v.name, "CONFIG_"), strings.HasPrefix(v.name, envPrefix+"_"):
			out = append(out, v.name+" comes from "+v.where+", which is not read: what is printed has its default")
		}
	}
	return append(out, m.settings.warnings...)
}
