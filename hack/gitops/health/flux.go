package health

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Verdict is what Flux says of an object.
type Verdict struct{ Status, Message string }

// Flux is the health check of a Kustomization of Flux.
type Flux struct {
	checks []kustomize.CustomHealthCheck
}

// ReadFlux takes the expressions out of the Kustomization of this name.
func ReadFlux(file, name string) (*Flux, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var k struct {
			Metadata struct{ Name string }
			Spec     struct {
				HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
			}
		}
		if err := yaml.Unmarshal([]byte(doc), &k); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if k.Metadata.Name == name && len(k.Spec.HealthCheckExprs) > 0 {
			return &Flux{k.Spec.HealthCheckExprs}, nil
		}
	}
	return nil, fmt.Errorf("%s has no Kustomization %s with healthCheckExprs", file, name)
}

// Health has Flux's own evaluator judge an object.
func (f *Flux) Health(ctx context.Context, u *unstructured.Unstructured) (Verdict, error) {
	evaluator, err := cel.NewStatusEvaluator(&f.checks[0].HealthCheckExpressions)
	if err != nil {
		return Verdict{}, err
	}
	result, err := evaluator.Evaluate(ctx, u)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Status: result.Status.String(), Message: result.Message}, nil
}

// Wait waits for an object as kustomize-controller does after it applied it with wait: true, failing fast, only that it
// looks more often. What it returns is what the Kustomization says in its condition Ready.
func (f *Flux) Wait(ctx context.Context, config *rest.Config, u *unstructured.Unstructured, timeout time.Duration) error {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	reader, err := cel.NewStatusReader(f.checks)
	if err != nil {
		return err
	}
	poller := polling.NewStatusPoller(c, c.RESTMapper(), polling.Options{
		CustomStatusReaders: []engine.StatusReader{reader(meta.RESTMapper(c.RESTMapper()))},
	})
	manager := ssa.NewResourceManager(c, poller, ssa.Owner{Field: "kustomize-controller"})
	id, err := object.RuntimeToObjMeta(u)
	if err != nil {
		return err
	}
	return manager.WaitForSetWithContext(ctx, object.ObjMetadataSet{id},
		ssa.WaitOptions{Interval: 50 * time.Millisecond, Timeout: timeout, FailFast: true})
}
