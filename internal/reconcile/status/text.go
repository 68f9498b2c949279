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

	KeyProblems = "problems" // all problems with all their namespaces, see PackProblems
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
	return zip(text)
}

// zip compresses; the same bytes always give the same.
func zip(text []byte) ([]byte, error) {
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

// unzip reads at most size bytes: somebody may have edited what is stored.
func unzip(key string, packed []byte, size int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", key, err)
	}
	text, err := io.ReadAll(io.LimitReader(z, size))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", key, err)
	}
	return text, nil
}

// UnpackPolicy decodes what packPolicy made. No bytes are no documents.
func UnpackPolicy(packed []byte) (map[string]string, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	text, err := unzip(KeyPolicy, packed, 4*policy.MaxSize)
	if err != nil {
		return nil, err
	}
	var documents map[string]string
	if err := json.Unmarshal(text, &documents); err != nil {
		return nil, fmt.Errorf("key %s holds no documents: %w", KeyPolicy, err)
	}
	return documents, nil
}
