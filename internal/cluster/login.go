package cluster

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Login is an entry of a credential that holds something, as the kubelet reads it: what it sends to which registry.
type Login struct {
	Host               string     // as it may be printed
	Key                string     // what images are compared with, as registry.example.com:5000/team; empty where no image matches, or where it may not be printed
	Username, Password Credential // one of them may hold nothing
}

// Logins returns the entries of a credential, sorted by host, without those that hold nothing. There are none in what the
// kubelet refuses; Projector.Content says why it does.
func Logins(secretType string, credential Credential) (logins []Login) {
	if DataKey(secretType) == "" {
		return nil
	}
	config, err := decodeDockerConfig(secretType, credential.Reveal())
	if err != nil {
		return nil
	}
	for _, host := range slices.Sorted(maps.Keys(config.Auths)) {
		entry := config.Auths[host]
		if entry.empty() {
			continue
		}
		login := Login{Host: safeHost(host), Username: NewCredential([]byte(entry.username)), Password: NewCredential([]byte(entry.password))}
		if key, ok := registryKey(host); ok && login.Host != unprintable && safeHost(key) == key {
			login.Key = key
		}
		logins = append(logins, login)
	}
	slices.SortStableFunc(logins, func(a, b Login) int { return strings.Compare(a.Host, b.Host) })
	return logins
}

// TriedLogins are those of one credential's logins that the kubelet tries for images of a repository, by their index and in its
// order: Tried. Hosts do not tell them apart, since two may print alike.
func TriedLogins(logins []Login, repository string) (tried []int) {
	secrets := make([]PullSecret, len(logins)) // one for each, so that its name tells which it is
	for i, login := range logins {
		content := &Content{Registries: []Registry{{Host: login.Host, Fields: []Field{{Name: "password"}}}}}
		secrets[i] = PullSecret{Name: strconv.Itoa(i), Content: content}
	}
	for _, entry := range Tried(secrets, repository) {
		i, _ := strconv.Atoi(entry.Secret)
		tried = append(tried, i)
	}
	return tried
}
