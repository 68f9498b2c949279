package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// checkedSecret is a credential whose registries are asked.
type checkedSecret struct {
	name       string // NAMESPACE/NAME, or the file
	problem    string // why its registries cannot be asked, without anything of the credential
	secretType string
	credential cluster.Credential
}

// secrets finds what is asked about: a file, one secret, or the sources of the policy.
func (f *checkFlags) secrets(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) ([]checkedSecret, error) {
	if f.config != "" {
		return f.configSecrets(stdin)
	}
	from, err := f.open(stdin, stderr)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return f.sources(ctx, from, stdin, stderr)
	}
	key := types.NamespacedName{Namespace: f.asked, Name: strings.TrimPrefix(args[0], "secret/")}
	if key.Namespace == "" {
		if key.Namespace, err = f.kube.currentNamespace(); err != nil {
			return nil, err
		}
	}
	s, err := from.secret(ctx, key)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fmt.Errorf("there is no secret %s", key)
	}
	return []checkedSecret{newCheckedSecret(key.String(), s)}, nil
}

// sources are those of the policy, which is valid.
func (f *checkFlags) sources(ctx context.Context, from checkOrigin, stdin io.Reader, stderr io.Writer) (secrets []checkedSecret, err error) {
	var source *policyfile.Source
	if f.file != "" {
		source, err = f.read(f.file, stdin)
	} else {
		source = &policyfile.Source{}
		source.Documents, err = from.policy(ctx)
	}
	if err != nil {
		return nil, err
	}
	p, err := source.Valid(f.options(), stderr)
	if err != nil {
		return nil, err
	}
	for _, key := range p.Sources() {
		s, err := from.secret(ctx, key)
		switch {
		case apierrors.IsForbidden(err):
			secrets = append(secrets, checkedSecret{name: key.String(), problem: err.Error()})
		case err != nil:
			return nil, err
		case policy.NewSourceState(s, f.place().Installation()).Status == policy.SourceIsCopy:
			secrets = append(secrets, checkedSecret{name: key.String(), problem: "it is a copy that pullsecrets made, and so no source"})
		default:
			secrets = append(secrets, newCheckedSecret(key.String(), s))
		}
	}
	return secrets, nil
}

// newCheckedSecret takes a secret that was read; nil is one that does not exist.
func newCheckedSecret(name string, s *cluster.Source) checkedSecret {
	c := checkedSecret{name: name}
	switch {
	case s == nil:
		c.problem = "there is no such secret"
	case s.Defect != "":
		c.problem = fmt.Sprintf("%s (%s)", s.Cause, s.Defect)
	default:
		c.secretType, c.credential = s.Type, s.Credential
	}
	return c
}

// checkOrigin is where secrets and the policy are read.
type checkOrigin struct {
	policy func(context.Context) (map[string]string, error)
	secret func(context.Context, types.NamespacedName) (*cluster.Source, error)
}

func (f *checkFlags) place() inspect.Place {
	return inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)}
}

func (f *checkFlags) open(stdin io.Reader, stderr io.Writer) (checkOrigin, error) {
	if f.dump != "" {
		dump, err := openDump("dump", f.dump, f.place(), stdin, stderr)
		if err != nil {
			return checkOrigin{}, err
		}
		return checkOrigin{
			policy: func(context.Context) (map[string]string, error) { return dump.Policy() },
			secret: func(_ context.Context, key types.NamespacedName) (*cluster.Source, error) { return dump.Secret(key) },
		}, nil
	}
	config, err := f.kube.config()
	if err != nil {
		return checkOrigin{}, err
	}
	client, err := kube.NewDynamic(config)
	if err != nil {
		return checkOrigin{}, fmt.Errorf("make a client: %w", err)
	}
	return checkOrigin{
		policy: func(ctx context.Context) (map[string]string, error) {
			return inspect.ReadPolicy(ctx, client, f.place())
		},
		secret: func(ctx context.Context, key types.NamespacedName) (*cluster.Source, error) {
			return inspect.ReadSecret(ctx, client, key)
		},
	}, nil
}

// configSecrets reads the Secrets of a file or folder, or else the docker config that a file is.
func (f *checkFlags) configSecrets(stdin io.Reader) (secrets []checkedSecret, err error) {
	text, err := readOnce([]string{f.config}, stdin)
	if err != nil {
		return nil, err
	}
	projector := state.NewProjector()
	manifests, _ := secretsBeside(f.config, text)
	for _, o := range manifests {
		if cluster.DataKey(policyfile.Scalar(o.Root, "type")) == "" {
			continue // it holds no registry credential, and is nobody's business
		}
		secrets = append(secrets, manifestSecret(o, projector, f.namespace))
	}
	if len(manifests) > 0 && len(secrets) == 0 {
		return nil, fmt.Errorf("-config %s: none of its Secrets is of the type %s or %s", f.config, cluster.TypeDockerConfigJSON, cluster.TypeDockercfg)
	}
	if len(secrets) > 0 {
		return secrets, nil
	}
	name := policyfile.StandardInput
	if f.config != "-" {
		name = f.config
		if text, err = os.ReadFile(f.config); err != nil {
			return nil, fmt.Errorf("-config: %w", err)
		}
	}
	secretType := dockerConfigType(text)
	switch _, defect, cause := projector.Content(secretType, text); defect {
	case "":
	case cluster.DefectNotJSON:
		return nil, fmt.Errorf("-config %s is neither a docker config nor the manifest of a Secret: %s (%s)", name, cause, defect)
	default:
		return nil, fmt.Errorf("-config %s: %s (%s)", name, cause, defect)
	}
	return []checkedSecret{{name: name, secretType: secretType, credential: cluster.NewCredential(text)}}, nil
}

func manifestSecret(o policyfile.Object, projector *cluster.Projector, namespace string) checkedSecret {
	name := secretKey(o, namespace).String()
	u, err := decodedSecret(o)
	switch {
	case policyfile.Field(o.Root, "sops") != nil:
		return checkedSecret{name: name, problem: "it is encrypted with SOPS: decrypt it, and give it by standard input"}
	case err != nil:
		return checkedSecret{name: name, problem: "it cannot be read: data and stringData are mappings of text, with each key once"}
	}
	return newCheckedSecret(name, projector.Source(u))
}

// dockerConfigType tells the two forms of a docker config apart: the older one has the hosts at its top.
func dockerConfigType(text []byte) string {
	var top map[string]any
	if err := yaml.Unmarshal(text, &top); err != nil {
		return cluster.TypeDockerConfigJSON
	}
	for key := range top {
		switch strings.ToLower(key) {
		case "auths", "credsstore", "credhelpers", "httpheaders":
			return cluster.TypeDockerConfigJSON
		}
	}
	for _, entry := range top {
		if _, ok := entry.(map[string]any); !ok {
			return cluster.TypeDockerConfigJSON
		}
	}
	return cluster.TypeDockercfg
}
