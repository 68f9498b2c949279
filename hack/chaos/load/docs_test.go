package load

import "testing"

func document(t *testing.T, r result) { t.Log(r) }
