package cases

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Define installs resource definitions of another project, out of its own Go module, until the test ends.
func (c *Cluster) Define(module string, files ...string) {
	c.T.Helper()
	fetch := exec.Command("go", "mod", "download", "-json", module)
	fetch.Dir = c.T.TempDir() // no module's: nothing here requires it
	out, err := fetch.Output()
	if err != nil {
		c.T.Fatalf("%s: %v\n%s", module, err, out)
	}
	var where struct{ Dir string }
	must(c.T, json.Unmarshal(out, &where))
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(where.Dir, file))
		must(c.T, err)
		if out, err := c.Kubectl(string(text), "apply", "--server-side", "-f", "-"); err != nil {
			c.T.Fatalf("%v\n%s", err, out)
		}
		for _, u := range Objects(c.T, string(text)) {
			c.T.Cleanup(func() {
				_ = c.Client.Resource(definitions).Delete(context.Background(), u.GetName(), metav1.DeleteOptions{})
			})
			c.eventually(u.GetName()+" is served", func() error {
				_, err := c.Kubectl("", "get", u.GetName(), "-A")
				return err
			})
		}
	}
}
