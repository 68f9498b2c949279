package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// ancestorRule is the name of the one rule that the settings of imagepullsecret-patcher make.
const ancestorRule = cluster.AncestorManager

// ownNamespaceFile tells a pod its namespace. imagepullsecret-patcher's manifests set no POD_NAMESPACE.
var ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

type settingKind int

const (
	textSetting settingKind = iota
	boolSetting
	durationSetting
)

// setting is a setting of imagepullsecret-patcher: a flag that has a CONFIG_ variable besides our own. Its text is
// judged only when all are known, so that one line can name what is wrong as it was given.
type setting struct {
	name, env    string
	kind         settingKind
	text         string // the default until something is given
	choosesMode  bool   // giving it makes us work as imagepullsecret-patcher does
	mayBeEmpty   bool   // an empty variable is not the same as none
	usage, given string // given is the flag or variable that it came from
}

func (s *setting) String() string   { return s.text }
func (s *setting) IsBoolFlag() bool { return s.kind == boolSetting }

// Set is called for the flag and, by the flag library, for our own variable.
func (s *setting) Set(text string) error {
	s.text, s.given = text, "-"+s.name
	return nil
}

func (s *setting) boolean() bool {
	b, _ := strconv.ParseBool(s.text) // judged before
	return b
}

func (s *setting) duration() time.Duration {
	d, _ := time.ParseDuration(s.text) // judged before
	return d
}

// list splits at commas.
func (s *setting) list() []string {
	list := []string{}
	for item := range strings.SplitSeq(s.text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// origin names the setting as its user knows it.
func (s *setting) origin() string {
	if s.given == "" {
		return "-" + s.name
	}
	return s.given
}

func (s *setting) problem(format string, args ...any) error {
	return fmt.Errorf("%s: %s", s.origin(), fmt.Sprintf(format, args...))
}

// ancestor has every setting of imagepullsecret-patcher, of the original and of the fork with informers.
type ancestor struct {
	force, managedOnly, allAccounts, debug, runOnce *setting
	useInformers, inCluster                         *setting
	json, jsonPath                                  *setting
	accounts, excluded, secretName, secretNamespace *setting
	loopDuration                                    *setting
	all                                             []*setting
}

func newAncestor() *ancestor {
	a := &ancestor{}
	add := func(s setting) *setting {
		a.all = append(a.all, &s)
		return &s
	}
	const mode = "; as imagepullsecret-patcher"
	a.force = add(setting{name: "force", env: "CONFIG_FORCE", kind: boolSetting, text: "true", choosesMode: true,
		usage: "take over same-named secrets of others" + mode})
	a.debug = add(setting{name: "debug", env: "CONFIG_DEBUG", kind: boolSetting, text: "false",
		usage: "log at level debug"})
	a.managedOnly = add(setting{name: "managedonly", env: "CONFIG_MANAGEDONLY", kind: boolSetting, text: "false", choosesMode: true,
		usage: "leave same-named secrets of others alone, whatever -force says" + mode})
	a.runOnce = add(setting{name: "runonce", env: "CONFIG_RUNONCE", kind: boolSetting, text: "false",
		usage: "bring every namespace to what the policy says, then exit; 0 if that succeeded"})
	a.accounts = add(setting{name: "serviceaccounts", env: "CONFIG_SERVICEACCOUNTS", text: "default", choosesMode: true, mayBeEmpty: true,
		usage: "`NAMES` of the service accounts that get the secret, comma-separated" + mode})
	a.allAccounts = add(setting{name: "allserviceaccount", env: "CONFIG_ALLSERVICEACCOUNT", kind: boolSetting, text: "false", choosesMode: true,
		usage: "all service accounts get the secret, whatever -serviceaccounts says" + mode})
	a.json = add(setting{name: "dockerconfigjson", env: "CONFIG_DOCKERCONFIGJSON", choosesMode: true,
		usage: "`JSON` of the credential; better a file or a Secret, which can change and do not show" + mode})
	a.jsonPath = add(setting{name: "dockerconfigjsonpath", env: "CONFIG_DOCKERCONFIGJSONPATH", choosesMode: true,
		usage: "`FILE` of the credential, read again when it changes" + mode})
	a.secretName = add(setting{name: "secretname", env: "CONFIG_SECRETNAME", text: "image-pull-secret", choosesMode: true,
		usage: "`NAME` of the copies and, without a credential, of the source" + mode})
	a.excluded = add(setting{name: "excluded-namespaces", env: "CONFIG_EXCLUDED_NAMESPACES", choosesMode: true,
		usage: "`NAMES` of namespaces that get nothing, comma-separated" + mode})
	a.loopDuration = add(setting{name: "loop-duration", env: "CONFIG_LOOP_DURATION", kind: durationSetting, text: "10s",
		usage: "`DURATION` between two passes without informers"})
	a.useInformers = add(setting{name: "use-informers", env: "CONFIG_USE_INFORMERS", kind: boolSetting, text: "true",
		usage: "watch the cluster; false lists it every -loop-duration instead"})
	a.inCluster = add(setting{name: "running-in-cluster", env: "CONFIG_RUNNING_IN_CLUSTER", kind: boolSetting, text: "true",
		usage: "use the pod's service account; false uses a kubeconfig only; both are tried when not given"})
	a.secretNamespace = add(setting{name: "secretnamespace", env: "CONFIG_SECRET_NAMESPACE", text: "imagepullsecret-patcher", choosesMode: true,
		usage: "`NAMESPACE` of the source, without a credential" + mode})
	return a
}

func (a *ancestor) register(fs *flag.FlagSet) {
	for _, s := range a.all {
		fs.Var(s, s.name, s.usage)
	}
}

// resolve takes the CONFIG_ variables in, where neither a flag nor a variable of ours gave a setting, and judges what
// each setting says by itself. An empty variable is none, except where an empty list says something.
func (a *ancestor) resolve() error {
	var errs []error
	for _, s := range a.all {
		ours := variable(s.name)
		if s.given != "" && s.text != "" && os.Getenv(ours) == s.text {
			s.given = ours
		}
		if value, ok := os.LookupEnv(s.env); s.given == "" && ok && (value != "" || s.mayBeEmpty) {
			s.text, s.given = value, s.env
		}
		switch s.kind {
		case boolSetting:
			if _, err := strconv.ParseBool(s.text); err != nil {
				errs = append(errs, s.problem("%q is neither true nor false", s.text))
			}
		case durationSetting:
			if d, err := time.ParseDuration(s.text); err != nil {
				errs = append(errs, s.problem("%q is no duration: give a number with its unit, such as 10s, 5m or 1h", s.text))
			} else if d <= 0 {
				errs = append(errs, s.problem("%q is no time to wait: give a duration above zero, such as 10s", s.text))
			}
		}
	}
	return errors.Join(errs...)
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
	if len(validation.IsDNS1123Subdomain(a.secretName.text)) > 0 {
		return a.secretName.problem("%q is not the name of a Secret: use a-z, 0-9, - and .", a.secretName.text)
	}
	if len(validation.IsDNS1123Label(a.secretNamespace.text)) > 0 {
		return a.secretNamespace.problem("%q is not the name of a namespace: use a-z, 0-9 and -", a.secretNamespace.text)
	}
	source := types.NamespacedName{Namespace: a.secretNamespace.text, Name: a.secretName.text}
	read, err := a.credential()
	if err != nil {
		return err
	}
	if read != nil {
		source.Namespace = cfg.Namespace
		cfg.Credential = &reconcile.Credential{Source: source, Read: read}
	}
	cfg.SourceNamespaces = []string{a.secretNamespace.text}
	cfg.Documents, err = a.documents(source, a.unserved(cfg.Namespace, read != nil))
	if err != nil {
		return err
	}
	return a.judge(cfg)
}

// unserved are the namespaces that get nothing besides the excluded ones. The Secret of the copies' name in our own
// namespace, and the one that is said to be the original, may be what a given credential was mounted from: written to
// with a file that the kubelet has not brought up to date yet, it would lose a new credential for ever.
func (a *ancestor) unserved(own string, given bool) []string {
	switch original := a.secretNamespace.text; {
	case given:
		return []string{own, original}
	case own != original:
		return []string{own}
	}
	return nil
}

// documents makes the policy.
func (a *ancestor) documents(source types.NamespacedName, unserved []string) (map[string]string, error) {
	no := false
	rule := policy.RuleSpec{
		Name:       ancestorRule,
		Secrets:    []policy.SecretSpec{{Source: policy.SourceSpec{Namespace: source.Namespace, Name: source.Name}}},
		Namespaces: policy.MatchSpec{Exclude: slices.Concat(a.excluded.list(), unserved)},
		Force:      a.force.boolean() && !a.managedOnly.boolean(),
		Prune:      &no,
	}
	rule.ServiceAccounts.Include = a.accounts.list()
	if a.allAccounts.boolean() {
		rule.ServiceAccounts.Include = []string{"*"}
	}
	text, err := json.Marshal(policy.Document{APIVersion: policy.APIVersion, Kind: policy.Kind, Rules: []policy.RuleSpec{rule}})
	return map[string]string{"flags.json": string(text)}, err
}

// judge refuses what the policy made of the settings is refused for, and says it of the settings.
func (a *ancestor) judge(cfg *reconcile.Config) error {
	p, problems := policy.Parse(cfg.Documents, policy.Options{Namespace: cfg.Namespace, SourceNamespaces: cfg.SourceNamespaces})
	if p != nil {
		return nil
	}
	var errs []error
	for _, problem := range problems.Errors() {
		s := a.chosen()
		switch {
		case strings.Contains(problem.Path, ".serviceAccounts."):
			s = a.accounts
		case strings.Contains(problem.Path, ".namespaces."):
			s = a.excluded
		}
		errs = append(errs, s.problem("%s", problem.Message))
	}
	return errors.Join(errs...)
}

// credential returns what reads the credential that was given, or nil if none was. It was read and found good once.
func (a *ancestor) credential() (read func() ([]byte, error), err error) {
	switch {
	case a.json.text == "" && a.jsonPath.text == "":
		return nil, nil
	case a.json.text != "" && a.jsonPath.text != "":
		return nil, fmt.Errorf("%s and %s are both given: give the credential only once", a.json.origin(), a.jsonPath.origin())
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
	if strings.ContainsAny(path, "{\"=:") {
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
