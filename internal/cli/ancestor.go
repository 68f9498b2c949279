package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// ancestorRule is the name of the one rule that the settings of imagepullsecret-patcher make.
const ancestorRule = cluster.AncestorManager

// flagsDocument is the name of the document that stands in for the policy ConfigMap's.
const flagsDocument = "flags.json"

// ownNamespaceFile tells a pod its namespace. imagepullsecret-patcher's manifests set no POD_NAMESPACE.
var ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ancestor has every setting of imagepullsecret-patcher: of the original, of the fork with informers, and of tamcore's.
type ancestor struct {
	force, managedOnly, allAccounts, debug, runOnce *setting
	useInformers, inCluster                         *setting
	json, jsonPath                                  *setting
	accounts, excluded, secretName, secretNamespace *setting
	loopDuration                                    *setting

	// Of tamcore's fork only.
	excludeAnnotation, deletePods, watchPath *setting
	reconciles                               *setting
	healthAddr, metricsAddr, metricsSecure   *setting
	noMemoryLimit, memoryShare               *setting

	all []*setting

	// tamcoreImage is set where it is seen that tamcore's fork runs, as in a manifest.
	tamcoreImage bool

	pod string // the namespace that the program runs in; its home is another one where -namespace says so
}

const asAncestor = "; as imagepullsecret-patcher"

func newAncestor() *ancestor {
	a := &ancestor{}
	a.force = a.add(setting{name: "force", env: "CONFIG_FORCE", kind: boolSetting, text: "true", choosesMode: true,
		usage: "take over same-named secrets of others" + asAncestor})
	a.debug = a.add(setting{name: "debug", env: "CONFIG_DEBUG", kind: boolSetting, text: "false",
		usage: "log at level debug"})
	a.managedOnly = a.add(setting{name: "managedonly", env: "CONFIG_MANAGEDONLY", kind: boolSetting, text: "false", choosesMode: true,
		usage: "leave same-named secrets of others alone, whatever -force says" + asAncestor})
	a.runOnce = a.add(setting{name: "runonce", env: "CONFIG_RUNONCE", kind: boolSetting, text: "false",
		usage: "bring every namespace to what the policy says, then exit; 0 if that succeeded"})
	a.accounts = a.add(setting{name: "serviceaccounts", env: "CONFIG_SERVICEACCOUNTS", text: "default", choosesMode: true, mayBeEmpty: true,
		tamcoreText: "default", usage: "`NAMES` of the service accounts that get the secret, comma-separated" + asAncestor})
	a.allAccounts = a.add(setting{name: "allserviceaccount", env: "CONFIG_ALLSERVICEACCOUNT", kind: boolSetting, text: "false", choosesMode: true,
		usage: "all service accounts get the secret, whatever -serviceaccounts says" + asAncestor})
	a.json = a.add(setting{name: "dockerconfigjson", env: "CONFIG_DOCKERCONFIGJSON", choosesMode: true,
		usage: "`JSON` of the credential; better a file or a Secret, which can change and do not show" + asAncestor})
	a.jsonPath = a.add(setting{name: "dockerconfigjsonpath", env: "CONFIG_DOCKERCONFIGJSONPATH", choosesMode: true,
		usage: "`FILE` of the credential, read again when it changes" + asAncestor})
	a.secretName = a.add(setting{name: "secretname", env: "CONFIG_SECRETNAME", text: "image-pull-secret", choosesMode: true,
		tamcoreText: "global-imagepullsecret", usage: "`NAME` of the copies and, without a credential, of the source" + asAncestor})
	a.excluded = a.add(setting{name: "excluded-namespaces", env: "CONFIG_EXCLUDED_NAMESPACES", choosesMode: true,
		tamcoreText: "kube-*", usage: "`NAMES` of namespaces that get nothing, comma-separated" + asAncestor})
	a.loopDuration = a.add(setting{name: "loop-duration", env: "CONFIG_LOOP_DURATION", kind: durationSetting, text: "10s",
		usage: "`DURATION` between two passes without informers"})
	a.useInformers = a.add(setting{name: "use-informers", env: "CONFIG_USE_INFORMERS", kind: boolSetting, text: "true",
		usage: "watch the cluster; false lists it every -loop-duration instead"})
	a.inCluster = a.add(setting{name: "running-in-cluster", env: "CONFIG_RUNNING_IN_CLUSTER", kind: boolSetting, text: "true",
		usage: "use the pod's service account; false uses a kubeconfig only; both are tried when not given"})
	a.secretNamespace = a.add(setting{name: "secretnamespace", env: "CONFIG_SECRET_NAMESPACE", text: "imagepullsecret-patcher", choosesMode: true,
		tamcoreText: podNamespaceText, usage: "`NAMESPACE` of the source, without a credential" + asAncestor})
	a.addTamcore()
	return a
}

func (a *ancestor) add(s setting) *setting {
	a.all = append(a.all, &s)
	return &s
}

func (a *ancestor) register(fs *flag.FlagSet) {
	for _, s := range a.all {
		fs.Var(s, s.name, s.usage)
	}
}

// resolve takes the CONFIG_ variables in and judges what each setting says by itself.
func (a *ancestor) resolve(env environment, pod string) error {
	a.pod = pod
	for _, s := range a.all {
		s.takeIn(env)
	}
	if a.fork() != nil || a.tamcoreImage {
		a.defaultToTamcore()
	}
	return checkAll(a.all)
}

// chosen returns the setting that chooses the mode of imagepullsecret-patcher, or nil.
func (a *ancestor) chosen() *setting {
	for _, s := range a.all {
		if s.choosesMode && s.given != "" && (s.text != "" || s != a.json && s != a.jsonPath) {
			return s
		}
	}
	return nil
}

// takeOver puts the settings in the place of the policy ConfigMap.
func (a *ancestor) takeOver(cfg *reconcile.Config) error {
	if err := a.check(); err != nil {
		return err
	}
	read, err := a.credential()
	if err != nil {
		return err
	}
	source := a.source(cfg.Namespace)
	if read != nil {
		cfg.Credential = &state.Credential{Source: source, Read: read}
	}
	cfg.SourceNamespaces = []string{a.secretNamespace.text}
	cfg.OptOut = []string{a.excludeAnnotation.text}
	rule := a.rule(cfg.Namespace)
	if _, err := a.judged(rule, policy.Options{Namespace: cfg.Namespace, SourceNamespaces: cfg.SourceNamespaces}); err != nil {
		return err
	}
	text, err := json.Marshal(policyOf(rule))
	cfg.Documents = map[string]string{flagsDocument: string(text)}
	return err
}

// check refuses what does not go together, or is not the name that it has to be.
func (a *ancestor) check() error {
	if a.json.text != "" && a.jsonPath.text != "" {
		return fmt.Errorf("%s and %s are both given: give the credential only once", a.json.origin(), a.jsonPath.origin())
	}
	if len(validation.IsDNS1123Subdomain(a.secretName.text)) > 0 {
		return a.secretName.problem("%s is not the name of a Secret: use a-z, 0-9, - and .", a.secretName.value())
	}
	if len(validation.IsDNS1123Label(a.secretNamespace.text)) > 0 {
		return a.secretNamespace.problem("%s is not the name of a namespace: use a-z, 0-9 and -", a.secretNamespace.value())
	}
	if len(validation.IsQualifiedName(strings.ToLower(a.excludeAnnotation.text))) > 0 {
		return a.excludeAnnotation.problem("%s is not the name of an annotation, such as example.com/exclude", a.excludeAnnotation.value())
	}
	return nil
}

// givesCredential reports whether the credential is a file or a value, and no Secret that is read from the API.
func (a *ancestor) givesCredential() bool { return a.json.text != "" || a.jsonPath.text != "" }

// source is the Secret that the copies are made from. A credential that is given stands in for one in our namespace.
func (a *ancestor) source(home string) types.NamespacedName {
	if a.givesCredential() {
		return types.NamespacedName{Namespace: home, Name: a.secretName.text}
	}
	return types.NamespacedName{Namespace: a.secretNamespace.text, Name: a.secretName.text}
}

// unserved are the namespaces that get nothing besides the excluded ones. The Secret of the copies' name in the pod's
// namespace, and the one that is said to be the original, may be what a given credential was mounted from: written to
// with a file that the kubelet has not brought up to date yet, it would lose a new credential for ever.
func (a *ancestor) unserved(home string) (out []string) {
	original := a.secretNamespace.text
	for _, ns := range []string{home, a.pod, original} {
		if !slices.Contains(out, ns) && (ns != original || a.givesCredential()) {
			out = append(out, ns)
		}
	}
	return out
}

// rule is what the settings ask for.
func (a *ancestor) rule(home string) policy.RuleSpec {
	no, source := false, a.source(home)
	rule := policy.RuleSpec{
		Name:       ancestorRule,
		Secrets:    []policy.SecretSpec{{Source: policy.SourceSpec{Namespace: source.Namespace, Name: source.Name}}},
		Namespaces: policy.MatchSpec{Exclude: slices.Concat(a.excluded.list(), a.unserved(home))},
		Force:      a.force.boolean() && !a.managedOnly.boolean(),
		Prune:      &no,
	}
	rule.ServiceAccounts.Include = a.accounts.list()
	if a.allAccounts.boolean() {
		rule.ServiceAccounts.Include = []string{"*"}
	}
	return rule
}

// policyOf is a policy with one rule.
func policyOf(rule policy.RuleSpec) policy.Document {
	return policy.Document{APIVersion: policy.APIVersion, Kind: policy.Kind, Rules: []policy.RuleSpec{rule}}
}

// judged is the policy with this rule. What it is refused for is said of the settings.
func (a *ancestor) judged(rule policy.RuleSpec, opts policy.Options) (*policy.Policy, error) {
	text, err := json.Marshal(policyOf(rule))
	if err != nil {
		return nil, err
	}
	p, problems := policy.Parse(map[string]string{flagsDocument: string(text)}, opts)
	if p != nil {
		return p, nil
	}
	var errs []error
	for _, problem := range problems.Errors() {
		s, message := a.chosen(), problem.Message
		switch {
		case strings.Contains(problem.Path, ".serviceAccounts."):
			s = a.accounts
		case strings.Contains(problem.Path, ".namespaces."):
			s = a.excluded
		}
		if strings.Contains(problem.Path, "clude[") && mayBeCredential(s.text) {
			message = "one of its names can match nothing: names have only a-z, 0-9, - and ., and only * and ? are special"
		}
		errs = append(errs, s.problem("%s", message))
	}
	return nil, errors.Join(errs...)
}

// credential returns what reads the credential that was given, or nil if none was. It was read and found good once.
func (a *ancestor) credential() (read func() ([]byte, error), err error) {
	switch {
	case a.json.text == "" && a.jsonPath.text == "":
		return nil, nil
	case a.json.text != "":
		value := []byte(a.json.text)
		if defect := defectOf(value); defect != "" {
			return nil, a.json.problem("%s", defect)
		}
		return func() ([]byte, error) { return value, nil }, nil
	}
	path := a.jsonPath.text
	value, err := os.ReadFile(path)
	if err != nil {
		return nil, a.jsonPath.problem("%s cannot be read: %v; give the path of a mounted .dockerconfigjson", shown(path), cause(err))
	}
	if defect := defectOf(value); defect != "" {
		return nil, a.jsonPath.problem("%s: %s", shown(path), defect)
	}
	return func() ([]byte, error) { return os.ReadFile(path) }, nil
}

// shown is a path as it may be printed: somebody may have given the credential itself in its place.
func shown(path string) string {
	if mayBeCredential(path) {
		return "the file"
	}
	return path
}

// cause is why a file cannot be read, without its path.
func cause(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// defectOf says what is wrong with a credential, without any of it.
func defectOf(value []byte) string {
	_, defect, cause := cluster.NewProjector([]byte("start")).Content(cluster.TypeDockerConfigJSON, value)
	if defect == "" {
		return ""
	}
	return fmt.Sprintf("it cannot be used as a .dockerconfigjson: %s (%s)", cause, defect)
}

// ownNamespace returns the namespace of the pod that we run in, or the fallback.
func ownNamespace(fallback string) string {
	text, err := os.ReadFile(ownNamespaceFile)
	if namespace := strings.TrimSpace(string(text)); err == nil && namespace != "" {
		return namespace
	}
	return fallback
}
