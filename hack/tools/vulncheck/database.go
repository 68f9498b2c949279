package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"
)

const publicDatabase = "https://vuln.go.dev"

// reachable is the database that answers.
func reachable(ctx context.Context, public string) (url string, err error) {
	err = answers(ctx, public)
	if err == nil {
		return public, nil
	}
	folder, fromModule := moduleFolder(ctx, "golang.org/x/vulndb@latest")
	if fromModule != nil {
		return "", errors.Join(err, fromModule)
	}
	return "file://" + filepath.ToSlash(filepath.Join(folder, "data", "osv")), nil
}

func answers(ctx context.Context, public string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, public+"/index/db.json", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	return nil
}

// moduleFolder downloads a module into the module cache.
func moduleFolder(ctx context.Context, module string) (folder string, err error) {
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", module).Output()
	var downloaded struct{ Dir, Error string }
	if bad := json.Unmarshal(out, &downloaded); bad == nil && downloaded.Error != "" {
		return "", errors.New(downloaded.Error)
	}
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, err)
	}
	return downloaded.Dir, nil
}
