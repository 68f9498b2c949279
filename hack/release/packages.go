package main

import (
	_ "embed"
	"io"
	"strings"
	"text/template"
)

var (
	//go:embed pullsecrets.yaml.tmpl
	krewManifest string
	//go:embed pullsecrets.rb.tmpl
	brewFormula string
)

// download is an archive of the release, for the tools that install it.
type download struct {
	platform    platform
	URL, SHA256 string
}

func (d download) OS() string      { return d.platform.os }
func (d download) Arch() string    { return d.platform.arch }
func (d download) Program() string { return d.platform.program() }

func newDownload(p platform, version, file string, content []byte) download {
	return download{platform: p, URL: sourceURL + "/releases/download/" + version + "/" + file, SHA256: sum(content)}
}

// writePackage writes krew's manifest or Homebrew's formula.
func writePackage(to io.Writer, text, version string, downloads []download) error {
	// "of" finds one of them by platform.
	of := func(os, arch string) (found download) {
		for _, d := range downloads {
			if d.platform == (platform{os, arch}) {
				found = d
			}
		}
		return found
	}
	t, err := template.New("").Funcs(template.FuncMap{"of": of}).Parse(text)
	if err != nil {
		return err
	}
	return t.Execute(to, struct {
		Version, Number string
		Downloads       []download
	}{version, strings.TrimPrefix(version, "v"), downloads})
}
