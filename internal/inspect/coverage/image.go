package coverage

import (
	"strings"
	"unicode"

	"github.com/distribution/reference"
)

// name is an image as the kubelet takes it.
type name struct {
	shown      string // safe to print
	registry   string // its host; empty where it is no reference of an image
	repository string // in full, such as docker.io/library/nginx
}

// longestShown is how much of an image's text is shown. A reference has at most 255 characters before its tag or digest.
const longestShown = 512

func parseName(image string) name {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return name{shown: shownWrong(image)}
	}
	return name{shown: shown(image), registry: reference.Domain(named), repository: named.Name()}
}

// shownWrong is what may be printed of a text that is no reference of an image. People have put user:password@host there.
func shownWrong(image string) string {
	if strings.Contains(image, "@") {
		return "(not shown: it is no reference of an image)"
	}
	return shown(image)
}

// shown keeps a text to one line and to letters that stay where they are: what is in a manifest is the choice of whoever wrote it.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // control characters, and those that change the direction of writing
			return '?'
		}
		return r
	}, text)
	if letters := []rune(text); len(letters) > longestShown {
		return string(letters[:longestShown]) + "…"
	}
	return text
}

// publicRegistries have images that everybody may pull without a credential, and no others. Source: what their operators say.
var publicRegistries = map[string]bool{
	"registry.k8s.io": true, "k8s.gcr.io": true, "public.ecr.aws": true, "mcr.microsoft.com": true,
	"registry.access.redhat.com": true, "docker.elastic.co": true,
}

// public reports whether everybody may pull the image: Docker Hub's official ones, and those of registries that have no others.
func (n name) public() bool {
	return publicRegistries[n.registry] || strings.HasPrefix(n.repository, "docker.io/library/")
}
