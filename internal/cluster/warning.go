package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// shownWarnings is how many warnings of one credential are kept: it may have thousands of entries.
const shownWarnings = 10

// warnings tell, without any value, what the kubelet accepts in a credential and pulls will probably fail on.
func warnings(c dockerConfigJSON) (out []string) {
	for _, host := range slices.Sorted(maps.Keys(c.Auths)) {
		out = append(out, entryWarnings(host, c.Auths[host])...)
	}
	if more := len(out) - shownWarnings; more > 0 {
		out = append(out[:shownWarnings:shownWarnings], fmt.Sprintf("and %d more of the kind", more))
	}
	return out
}

func entryWarnings(host string, entry dockerConfigEntry) (out []string) {
	name := shownHost(host)
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if entry.empty() {
		add("the entry of %s holds no username, password or auth, so the kubelet sends empty credentials there: remove it, or log in", name)
		return out
	}
	if why := neverMatches(host); why != "" {
		add("no image matches the host %s: %s", name, why)
	}
	for field, value := range entry.fields() {
		if why := oddValue(value); why != "" {
			add("%s of %s %s", field, name, why)
		}
	}
	written := entry.written
	if strings.Contains(entry.username, ":") {
		add("username of %s has a colon in it, which no registry can tell from the start of the password", name)
	}
	if written.Auth != "" && (written.Username != "" && written.Username != entry.username || written.Password != "" && written.Password != entry.password) {
		add("auth of %s says otherwise than username and password, and the kubelet goes by auth", name)
	}
	if given(written.IdentityToken) || given(written.RegistryToken) {
		add("identitytoken and registrytoken of %s are not used by the kubelet", name)
	}
	return out
}

// neverMatches says why the kubelet finds an entry for no image, as far as that is certain.
func neverMatches(host string) string {
	key, ok := registryKey(host)
	name, rest, _ := strings.Cut(key, "/")
	switch {
	case !ok && strings.TrimSpace(host) != host:
		return "remove the white space around it"
	case !ok:
		return "write it as images have it, registry.example.com, with a port or path if need be"
	case rest == "v1" || rest == "v2":
		return "its path is taken for that of the image; end it in /" + rest + "/, or leave the path out"
	case name == "hub.docker.com" || name == "registry-1.docker.io" || name == "registry.hub.docker.com":
		return "images of Docker Hub are matched by https://index.docker.io/v1/ or docker.io"
	case !strings.ContainsAny(name, ".:*?") && name != "localhost" && name == strings.ToLower(name):
		return "a host without a dot or a port is taken for a part of Docker Hub"
	}
	return ""
}

// oddValue says why a username or password is probably not what was meant.
func oddValue(value string) string {
	switch trimmed := strings.TrimSpace(value); {
	case value == "":
		return "is empty"
	case !utf8.ValidString(value) || strings.ContainsRune(value, utf8.RuneError):
		return "has bytes in it that are no UTF-8: they do not reach the registry as they are"
	case strings.HasSuffix(value, "\n"):
		return "ends in a newline, as it comes from echo or a file: encode it without (echo -n, printf %s)"
	case trimmed != value:
		return "starts or ends with white space"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "has control characters in it"
	case placeholderWithin.MatchString(value):
		return "looks like a template that was not filled in"
	}
	return ""
}
