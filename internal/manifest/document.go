// Package manifest writes objects as a manifest that people approve: each with a comment. It is pure.
package manifest

import (
	"bytes"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Document is one object of a manifest, with a comment for whoever has to approve it.
type Document struct {
	Comment string // one line or several
	Object  any    // a typed API object
}

// YAML writes documents as one manifest, in their order.
func YAML(docs []Document) ([]byte, error) {
	var b bytes.Buffer
	for i, d := range docs {
		if i > 0 {
			b.WriteString("---\n")
		}
		for line := range strings.SplitSeq(d.Comment, "\n") {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		text, err := yaml.Marshal(d.Object)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", d.Object, err)
		}
		b.Write(text)
	}
	return b.Bytes(), nil
}
