package cli

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
)

// workload is a container of a manifest, with what its Deployment, or whatever runs it, says about it.
type workload struct {
	kind, namespace, name string
	container             corev1.Container
	volumes               []corev1.Volume
	env                   environment
	unread                []unreadVariable
}

// unreadVariable is a variable whose value is elsewhere, or all that a ConfigMap or Secret has.
type unreadVariable struct {
	name   string // empty for all of them
	where  string
	secret *corev1.SecretKeySelector
}

func (w workload) String() string {
	return fmt.Sprintf("the container %s of %s %s/%s", w.container.Name, w.kind, w.namespace, w.name)
}

// podSpecs is where the pod's spec is, by kind.
var podSpecs = map[string][]string{
	"Pod":         {"spec"},
	"Deployment":  {"spec", "template", "spec"},
	"StatefulSet": {"spec", "template", "spec"},
	"DaemonSet":   {"spec", "template", "spec"},
	"ReplicaSet":  {"spec", "template", "spec"},
	"Job":         {"spec", "template", "spec"},
	"CronJob":     {"spec", "jobTemplate", "spec", "template", "spec"},
}

// workloads are the containers of the objects. Values of ConfigMaps that are among the objects are known.
func workloads(objects []policyfile.Object) (out []workload, err error) {
	configMaps := map[string]map[string]string{}
	for _, o := range objects {
		if o.Kind == "ConfigMap" {
			var cm corev1.ConfigMap
			if err := decodeNode(o.Root, &cm); err == nil {
				configMaps[o.Namespace+"/"+o.Name] = cm.Data
			}
		}
	}
	for _, o := range objects {
		steps, ok := podSpecs[o.Kind]
		if !ok {
			continue
		}
		node := o.Root
		for _, step := range steps {
			node = policyfile.Field(node, step)
		}
		var pod corev1.PodSpec
		if node == nil {
			return nil, fmt.Errorf("%s: %s %s has no pod's spec", o.Position(), o.Kind, o.Name)
		}
		if err := decodeNode(node, &pod); err != nil {
			return nil, fmt.Errorf("%s: %s %s is not as the API has it: quote numbers, true and false among the values of env", o.Position(), o.Kind, o.Name)
		}
		for _, c := range pod.Containers {
			w := workload{kind: o.Kind, namespace: o.Namespace, name: o.Name, container: c, volumes: pod.Volumes, env: environment{}}
			w.readEnv(configMaps)
			out = append(out, w)
		}
	}
	return out, nil
}

func decodeNode(node *yaml.Node, into any) error {
	var value any
	if err := node.Decode(&value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// readEnv takes the variables in, in the order that Kubernetes has: env wins over envFrom, and later ones over earlier.
func (w *workload) readEnv(configMaps map[string]map[string]string) {
	for _, from := range w.container.EnvFrom {
		switch {
		case from.ConfigMapRef != nil && configMaps[w.namespace+"/"+from.ConfigMapRef.Name] != nil:
			for key, value := range configMaps[w.namespace+"/"+from.ConfigMapRef.Name] {
				w.env[from.Prefix+key] = value
			}
		case from.ConfigMapRef != nil:
			w.unread = append(w.unread, unreadVariable{where: "the ConfigMap " + from.ConfigMapRef.Name})
		case from.SecretRef != nil:
			w.unread = append(w.unread, unreadVariable{where: "the Secret " + from.SecretRef.Name})
		}
	}
	for _, v := range w.container.Env {
		switch ref := v.ValueFrom; {
		case ref == nil:
			w.env[v.Name] = w.expand(v.Value)
		case ref.FieldRef != nil && ref.FieldRef.FieldPath == "metadata.namespace":
			w.env[v.Name] = w.namespace
		case ref.ConfigMapKeyRef != nil:
			value, ok := configMaps[w.namespace+"/"+ref.ConfigMapKeyRef.Name][ref.ConfigMapKeyRef.Key]
			if ok {
				w.env[v.Name] = value
				continue
			}
			w.unread = append(w.unread, unreadVariable{name: v.Name, where: fmt.Sprintf("the key %s of the ConfigMap %s", ref.ConfigMapKeyRef.Key, ref.ConfigMapKeyRef.Name)})
		case ref.SecretKeyRef != nil:
			w.unread = append(w.unread, unreadVariable{name: v.Name, where: fmt.Sprintf("the key %s of the Secret %s", ref.SecretKeyRef.Key, ref.SecretKeyRef.Name), secret: ref.SecretKeyRef})
		default:
			w.unread = append(w.unread, unreadVariable{name: v.Name, where: "the pod itself"})
		}
	}
}

var variableReference = regexp.MustCompile(`\$\$|\$\([A-Za-z_.-][A-Za-z0-9_.-]*\)`)

// expand replaces $(NAME) as Kubernetes does: by a variable that stands before, and else not at all.
func (w *workload) expand(text string) string {
	return variableReference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		if value, ok := w.env[found[2:len(found)-1]]; ok {
			return value
		}
		return found
	})
}

// args are the program's arguments.
func (w *workload) args() (out []string) {
	all := w.container.Args
	if len(w.container.Command) > 1 {
		all = append(w.container.Command[1:len(w.container.Command):len(w.container.Command)], all...)
	}
	for _, arg := range all {
		out = append(out, w.expand(arg))
	}
	return out
}

// ours reports whether the image is called as this project's is, and so has marked copies already.
func (w workload) ours() bool { return w.imageName() == "pullsecrets" }

func (w workload) ancestors() bool { return w.imageName() == "imagepullsecret-patcher" }

func (w workload) tamcores() bool {
	return w.ancestors() && path.Base(path.Dir(w.container.Image)) == "tamcore"
}

// check refuses names that the API server does not accept either: they are printed in commands for a shell.
func (w workload) check() error {
	for _, name := range []string{w.namespace, w.name, w.container.Name} {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("%q is not a name, which has a-z, 0-9, - and . only", name)
		}
	}
	return nil
}

func (w workload) imageName() string {
	name, _, _ := strings.Cut(path.Base(w.container.Image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// mounted finds the Secret that a file is mounted from, and its key.
func (w workload) mounted(file string) (secret, key string, ok bool) {
	var mount *corev1.VolumeMount
	for i, m := range w.container.VolumeMounts {
		if _, under := strings.CutPrefix(file, strings.TrimSuffix(m.MountPath, "/")+"/"); under || m.MountPath == file && m.SubPath != "" {
			if mount == nil || len(m.MountPath) > len(mount.MountPath) {
				mount = &w.container.VolumeMounts[i]
			}
		}
	}
	if mount == nil {
		return "", "", false
	}
	relative := path.Join(mount.SubPath, strings.TrimPrefix(strings.TrimPrefix(file, strings.TrimSuffix(mount.MountPath, "/")), "/"))
	for _, v := range w.volumes {
		if v.Name == mount.Name && v.Secret != nil {
			for _, item := range v.Secret.Items {
				if item.Path == relative {
					return v.Secret.SecretName, item.Key, true
				}
			}
			return v.Secret.SecretName, relative, len(v.Secret.Items) == 0
		}
	}
	return "", "", false
}
