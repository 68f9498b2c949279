package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	corev1 "k8s.io/api/core/v1"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// migrateFlags are the flags of migrate, as they are given.
type migrateFlags struct {
	file, namespace, policy, form string
}

func migrateCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("migrate", stderr)
	f := &migrateFlags{}
	fs.StringVar(&f.file, "f", "", "`FILE` with the manifest of a running imagepullsecret-patcher, or - for standard input")
	fs.StringVar(&f.namespace, "namespace", "", "`NAMESPACE` that the controller is to live in; when empty, pullsecrets, or where the manifest has it already")
	fs.StringVar(&f.policy, "policy", "pullsecrets-policy", "`NAME` of the policy ConfigMap")
	choiceVar(fs, &f.form, "o", formManifests, "`FORM`: manifests, policy, rbac, or values for the Helm chart",
		formManifests, formPolicy, formRBAC, formValues)
	return &ffcli.Command{
		Name: "migrate", ShortUsage: "pullsecrets migrate -f MANIFEST [FLAGS]", ShortHelp: "print the policy that imagepullsecret-patcher's settings amount to",
		LongHelp: "Reads the manifest of imagepullsecret-patcher or of a fork of it, a Deployment among any other objects, and\n" +
			"prints what makes the same of it: the policy ConfigMap and the roles, for kubectl apply. Comments say what is\n" +
			"to be done by hand, such as making the source. It asks no cluster, and prints no credential.\n\n" +
			"  kubectl -n imagepullsecret-patcher get deployments -o yaml | pullsecrets migrate -f -",
		FlagSet: fs, Options: options(),
		Exec: func(_ context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("migrate takes flags only, found %q", args[0])
			}
			return f.run(stdin, stdout, stderr)
		},
	}
}

func (f *migrateFlags) run(stdin io.Reader, stdout, stderr io.Writer) error {
	print, ok := migrationForms[f.form]
	if !ok {
		return fmt.Errorf("-o %q: one of manifests, policy, rbac, values", f.form)
	}
	objects, err := f.objects(stdin)
	if err != nil {
		return err
	}
	if objects, err = findIn(objects, f.namespace); err != nil {
		return err
	}
	found, err := findAncestor(objects)
	if err != nil {
		return err
	}
	m, err := f.migration(found)
	if err != nil {
		return err
	}
	for _, w := range m.warnings() {
		fmt.Fprintln(stderr, "warning:", w)
	}
	text, err := print(m)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	return err
}

// objects reads the manifest. Secrets may be among it, so no error has any of its text.
func (f *migrateFlags) objects(stdin io.Reader) ([]policyfile.Object, error) {
	if f.file == "" {
		return nil, errors.New("name the manifest with -f: a file, or - for standard input")
	}
	file := f.file
	var text []byte
	var err error
	if file == "-" {
		file = policyfile.StandardInput
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	found, err := policyfile.Parse(file, string(text))
	if err != nil {
		return nil, err
	}
	if len(found.Objects) == 0 {
		return nil, fmt.Errorf("%s has no Kubernetes object: give what kubectl get deployment NAME -o yaml prints", file)
	}
	for _, o := range found.Objects {
		if err := o.CheckKeys(); err != nil {
			return nil, err
		}
	}
	return found.Objects, nil
}

// foundAncestor is a container that works as imagepullsecret-patcher, with its settings as the program itself reads them.
type foundAncestor struct {
	workload workload
	settings *runFlags
}

// marks is the namespace that its copies are marked with, if it is this program by now.
func (f foundAncestor) marks() string { return f.settings.namespace }

// findAncestor finds it among the objects.
func findAncestor(objects []policyfile.Object) (foundAncestor, error) {
	all, err := workloads(objects)
	if err != nil {
		return foundAncestor{}, err
	}
	var found, maybe []foundAncestor // other programs have a flag -force too
	var hint string
	for _, w := range all {
		settings, err := settingsOf(w)
		switch named := w.ancestors() || hasConfig(w); {
		case err != nil && named:
			return foundAncestor{}, fmt.Errorf("%s: %w", w, err)
		case err == nil && settings.ancestor.chosen() != nil && (named || w.ours()):
			found = append(found, foundAncestor{w, settings})
		case err == nil && settings.ancestor.chosen() != nil:
			maybe = append(maybe, foundAncestor{w, settings})
		case named:
			hint = fmt.Sprintf("; %s has none of its settings", w)
		}
	}
	if len(found) == 0 {
		found = maybe
	}
	return theOne(found, hint)
}

func theOne(found []foundAncestor, hint string) (foundAncestor, error) {
	switch len(found) {
	case 0:
		return foundAncestor{}, fmt.Errorf("no container here has settings of imagepullsecret-patcher%s: give what kubectl get deployment NAME -o yaml prints", hint)
	case 1:
		return found[0], found[0].workload.check()
	}
	var names []string
	for _, w := range found {
		names = append(names, w.workload.String())
	}
	return foundAncestor{}, fmt.Errorf("several containers have settings of imagepullsecret-patcher: %s: give one of them", strings.Join(names, ", "))
}

// hasConfig reports whether a container has a variable that imagepullsecret-patcher knows.
func hasConfig(w workload) bool {
	known := newAncestor().all
	return slices.ContainsFunc(w.container.Env, func(v corev1.EnvVar) bool {
		return slices.ContainsFunc(known, func(s *setting) bool { return s.env != "" && s.env == v.Name })
	})
}

// givenElsewhere stands for the value of a variable that is not read.
const givenElsewhere = "given elsewhere"

// settingsOf reads the arguments and variables of a container as run reads its own.
func settingsOf(w workload) (*runFlags, error) {
	env := environment{}
	for name, value := range w.env {
		env[name] = value
	}
	for _, v := range w.unread {
		if v.name == "CONFIG_DOCKERCONFIGJSON" {
			env[v.name] = givenElsewhere
		}
	}
	env["POD_NAMESPACE"] = cmp.Or(env["POD_NAMESPACE"], w.namespace)
	fs := newFlagSet("run", io.Discard)
	f := &runFlags{ancestor: newAncestor()}
	f.ancestor.tamcoreImage = w.tamcores()
	f.register(fs)
	f.namespace = env["POD_NAMESPACE"]
	args := w.args()
	if len(args) > 0 && args[0] == "run" {
		args = args[1:]
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, errors.New("it takes flags only, and an argument is none; what stands behind it is not read")
	}
	if err := setFrom(env, fs); err != nil {
		return nil, err
	}
	if err := f.adapt(fs, env); err != nil {
		return nil, err
	}
	return f, f.ancestor.check()
}

// setFrom sets the flags that are not given from our own variables, as the library does for the program's own.
func setFrom(env environment, fs *flag.FlagSet) (err error) {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	fs.VisitAll(func(f *flag.Flag) {
		if value := env[variable(f.Name)]; value != "" && !given[f.Name] {
			err = errors.Join(err, fs.Set(f.Name, value))
		}
	})
	return err
}

// migration makes a policy of the settings.
func (f *migrateFlags) migration(found foundAncestor) (*migration, error) {
	home, err := f.home(found)
	if err != nil {
		return nil, err
	}
	place := policyFlags{namespace: home, policy: f.policy}
	if err := place.check(); err != nil {
		return nil, err
	}
	m := &migration{foundAncestor: found, home: home, policyName: f.policy}
	a := found.settings.ancestor
	if m.credential, err = originOf(found.workload, a); err != nil {
		return nil, fmt.Errorf("%s: %w", found.workload, err)
	}
	m.rule = a.rule(home)
	m.rule.Secrets = []policy.SecretSpec{m.secret()}
	if m.policy, err = a.judged(m.rule, m.options()); err != nil {
		return nil, fmt.Errorf("%s: %w", found.workload, err)
	}
	return m, nil
}

// home is the namespace that the controller is to live in. Copies that are marked already bind it.
func (f *migrateFlags) home(found foundAncestor) (string, error) {
	w := found.workload
	if !w.ours() {
		return cmp.Or(f.namespace, "pullsecrets"), nil
	}
	if f.namespace != "" && f.namespace != found.marks() {
		return "", fmt.Errorf("%s has marked its copies as those of a controller in %s, and one in %s would leave them alone: give -namespace %s",
			w, found.marks(), f.namespace, found.marks())
	}
	return found.marks(), nil
}

// findIn names the namespace of objects that have none, as those of a Helm release.
func findIn(objects []policyfile.Object, namespace string) ([]policyfile.Object, error) {
	out := slices.Clone(objects)
	for i, o := range out {
		if o.Namespace != "" || podSpecs[o.Kind] == nil && o.Kind != "ConfigMap" {
			continue
		}
		if namespace == "" && podSpecs[o.Kind] != nil {
			return nil, fmt.Errorf("%s: %s %s names no namespace: give with -namespace the one that it runs in", o.Position(), o.Kind, o.Name)
		}
		out[i].Namespace = namespace
	}
	return out, nil
}
