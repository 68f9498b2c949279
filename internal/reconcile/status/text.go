package status

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The keys of the status ConfigMap.
const (
	KeyPolicy = "policy"      // the last good text: its documents as JSON, gzipped
	KeyNames  = "names"       // the copy names in use, a line each
	KeyRecord = "status.json" // for people and scripts
)

// PackPolicy encodes documents; the same documents always give the same bytes.
func PackPolicy(documents map[string]string) ([]byte, error) {
	if documents == nil {
		return nil, nil
	}
	kept := map[string]string{}
	for name, text := range documents {
		if policy.IsDocument(name) {
			kept[name] = text
		}
	}
	text, err := json.Marshal(kept) // writes keys in order
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b) // writes no time
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// UnpackPolicy decodes what packPolicy made. No bytes are no documents.
func UnpackPolicy(packed []byte) (map[string]string, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", KeyPolicy, err)
	}
	// Somebody may have edited it: whatever it unpacks to, no more than a policy can be is read.
	text, err := io.ReadAll(io.LimitReader(z, 4*policy.MaxSize))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", KeyPolicy, err)
	}
	var documents map[string]string
	if err := json.Unmarshal(text, &documents); err != nil {
		return nil, fmt.Errorf("key %s holds no documents: %w", KeyPolicy, err)
	}
	return documents, nil
}
