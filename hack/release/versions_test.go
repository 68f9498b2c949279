package main

import (
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"
)

func TestParse(t *testing.T) {
	for _, good := range []string{"v0.1.0", "v10.20.30", "v1.0.0-rc.1", "v1.0.0-alpha-2"} {
		if v, err := parse(good); err != nil || "v"+v.String() != good {
			t.Errorf("%s: %v, %v", good, v, err)
		}
	}
	for _, bad := range []string{"", "v", "v1", "v1.0", "1.0.0", "V1.0.0", "v01.0.0", "v1.0.0+linux", "v1.0.0-", "v1.0.0-rc..1", "latest", " v1.0.0", "v1.0.0\n"} {
		if v, err := parse(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, v)
		}
	}
}

func TestTagsThatMove(t *testing.T) {
	for _, c := range []struct {
		version  string
		released []string
		want     []string
	}{
		{"v0.1.0", nil, []string{"v0.1", "latest"}},
		{"v0.2.0", []string{"v0.1.0", "v0.2.0"}, []string{"v0.2", "latest"}},
		{"v0.2.0-rc.1", []string{"v0.1.0", "v0.2.0-rc.1"}, nil},
		{"v0.2.0", []string{"v0.2.0", "v0.3.0-rc.1"}, []string{"v0.2", "latest"}},
		// Published again when newer ones are out.
		{"v0.2.0", []string{"v0.2.0", "v0.3.0"}, []string{"v0.2"}},
		{"v0.2.0", []string{"v0.2.0", "v0.2.1"}, nil},
		{"v0.2.0", []string{"v0.2.0", "v1.2.0"}, []string{"v0.2"}},
	} {
		var released []*semver.Version
		for _, r := range c.released {
			v, err := parse(r)
			if err != nil {
				t.Fatal(err)
			}
			released = append(released, v)
		}
		v, err := parse(c.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := imageTags(v, released); !slices.Equal(got, c.want) {
			t.Errorf("%s after %v moves %v, not %v", c.version, c.released, got, c.want)
		}
	}
}
