package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tamcoreExclude opts namespaces and service accounts out in tamcore's fork, unless it is told another annotation.
const tamcoreExclude = "pborn.eu/imagepullsecret-patcher-exclude"

// podNamespaceText stands for the namespace that the program runs in.
const podNamespaceText = "-"

// addTamcore adds what only tamcore's fork has.
func (a *ancestor) addTamcore() {
	add := func(s setting) *setting {
		s.tamcore = true
		return a.add(s)
	}
	a.excludeAnnotation = add(setting{name: "exclude-annotation", env: "CONFIG_EXCLUDE_ANNOTATION", text: tamcoreExclude, tamcoreText: tamcoreExclude,
		usage: "`ANNOTATION` that opts namespaces and service accounts out, where it is \"true\"" + asAncestor})
	a.deletePods = add(setting{name: "deletepods", env: "CONFIG_DELETE_PODS", kind: boolSetting, text: "false",
		usage: "not done, and said in a warning; the command evict does it" + asAncestor})
	a.watchPath = add(setting{name: "watchdockerconfigjsonpath", env: "CONFIG_WATCH_DOCKERCONFIGJSONPATH", kind: boolSetting, text: "true",
		usage: "always done" + asAncestor})
	a.reconciles = add(setting{name: "max-concurrent-reconciles", env: "CONFIG_MAX_CONCURRENT_RECONCILES", kind: numberSetting, text: "1",
		usage: "the same `NUMBER` as -workers, where that is not given"})
	a.healthAddr = add(setting{name: "health-probe-bind-address", usage: "the same `ADDRESS` as -health-addr; 0 for none"})
	a.metricsAddr = add(setting{name: "metrics-bind-address", usage: "the same `ADDRESS` as -metrics-addr; 0 for none"})
	a.metricsSecure = add(setting{name: "metrics-secure", kind: boolSetting, text: "false",
		usage: "no metrics for -metrics-bind-address, because there are none with TLS"})
	a.noMemoryLimit = add(setting{name: "no-auto-memlimit", kind: boolSetting, text: "false",
		usage: "do not collect garbage more often as memory comes near the container's limit" + asAncestor})
	a.memoryShare = add(setting{name: "auto-memlimit-ratio", kind: shareSetting, text: fmt.Sprint(usualMemoryShare),
		usage: "`SHARE` of the container's memory limit that garbage may not go beyond" + asAncestor})
	for _, name := range []string{"no-auto-maxprocs", "zap-devel"} {
		add(setting{name: name, kind: boolSetting, text: "false", noEffect: true, usage: "without effect" + asAncestor})
	}
	for _, name := range []string{"zap-encoder", "zap-log-level", "zap-stacktrace-level", "zap-time-encoding"} {
		add(setting{name: name, noEffect: true, usage: "`VALUE` without effect" + asAncestor})
	}
}

// fork returns a setting that only tamcore's fork has, if one was given: its defaults hold then. An image that is
// exchanged cannot tell otherwise which of the two it follows.
func (a *ancestor) fork() *setting {
	for _, s := range a.all {
		if s.tamcore && s.given != "" && s.text != "" {
			return s
		}
	}
	return nil
}

// defaultToTamcore has the defaults of tamcore's fork for what was not given, or given empty, which is the same there.
func (a *ancestor) defaultToTamcore() {
	for _, s := range a.all {
		if s.tamcoreText != "" && (s.given == "" || s.text == "") {
			s.text = s.tamcoreText
		}
	}
	if a.secretNamespace.text == podNamespaceText {
		a.secretNamespace.text = a.pod
	}
}

// defaultsOf says whose defaults hold, and how that is known.
func (a *ancestor) defaultsOf() string {
	s := a.fork()
	switch {
	case s != nil:
		return "tamcore's fork, because " + s.origin() + " is given"
	case a.tamcoreImage:
		return "tamcore's fork, because the image is called so"
	}
	return "the original, because no setting is given that only tamcore's fork has"
}

// warnings say what was given and is not understood, or not done. They have no values in them.
func (a *ancestor) warnings(env environment) (out []string) {
	if unknown := a.unknown(env); len(unknown) > 0 {
		out = append(out, "not understood, and without effect: "+strings.Join(unknown, ", ")+"; MIGRATING.md has the variables that are")
	}
	var idle []string
	for _, s := range a.all {
		if s.noEffect && s.given != "" {
			idle = append(idle, s.origin())
		}
	}
	if len(idle) > 0 {
		out = append(out, "without effect here: "+strings.Join(idle, ", "))
	}
	if s := a.deletePods; s.boolean() {
		out = append(out, s.origin()+": pods that cannot pull their image are not deleted here: kustomize/components/evict, or evict.enabled of the chart, has those "+
			"made anew that were created before their service account had the name; it needs a policy ConfigMap, and until there is one, restart "+
			"their workloads with kubectl rollout restart")
	}
	if s := a.watchPath; !s.boolean() {
		out = append(out, s.origin()+": a change of the mounted file is rolled out all the same")
	}
	if s := a.metricsSecure; s.boolean() {
		out = append(out, s.origin()+": there are no metrics with TLS here, so no port is opened for them; -metrics-addr opens one without TLS")
	}
	if s := a.excludeAnnotation; s.given != "" && a.chosen() == nil {
		out = append(out, s.origin()+": without effect, because the rules come from a policy ConfigMap: annotate with pullsecrets/exclude: \"true\" instead")
	}
	return out
}

// unknown returns the CONFIG_ variables that no setting has.
func (a *ancestor) unknown(env environment) (names []string) {
	known := func(name string) bool {
		return slices.ContainsFunc(a.all, func(s *setting) bool { return s.env == name })
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "CONFIG_") && !known(name) && !env.ofService(name) {
			names = append(names, name)
		}
	}
	return names
}
