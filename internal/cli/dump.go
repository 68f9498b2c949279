package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// openDump reads the dump that a flag names, and warns of what is odd about it.
func openDump(flag, file string, at inspect.Place, stdin io.Reader, stderr io.Writer) (*inspect.Dump, error) {
	objects, err := readDump(flag, file, stdin)
	if err != nil {
		return nil, err
	}
	dump, err := inspect.NewDump(at, objects)
	if err != nil {
		return nil, fmt.Errorf("-%s %s: %w", flag, file, err)
	}
	for _, doubt := range dump.Doubts() {
		fmt.Fprintln(stderr, "warning:", doubt)
	}
	return dump, nil
}

// readDump reads objects from YAML or JSON: a List as kubectl get writes it, or one document after the other.
func readDump(flag, file string, stdin io.Reader) ([]*unstructured.Unstructured, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("-%s takes the file of a dump, and a cluster of the kubeconfig is chosen with -context: %w", flag, err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("-%s: %w", flag, err)
	}
	text, problem := policy.ReadText(string(content))
	if problem != nil {
		return nil, fmt.Errorf("-%s %s: %s", flag, file, problem)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for i := 1; ; i++ {
		var u unstructured.Unstructured
		switch err := decoder.Decode(&u.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			// The decoder's own message may quote what it could not decode, and a dump is full of secrets.
			return nil, fmt.Errorf("-%s %s: document %d is neither YAML nor JSON", flag, file, i)
		case u.Object == nil:
		case u.IsList():
			list, err := u.ToList()
			if err != nil {
				return nil, fmt.Errorf("-%s %s: document %d is no list of objects", flag, file, i)
			}
			for j := range list.Items {
				objects = append(objects, &list.Items[j])
			}
		default:
			objects = append(objects, &u)
		}
	}
}
