{{/*
What the other templates ask of the values first: those that are missing are filled in, and which way of working they
choose. --reuse-values puts the values of the release's last chart, maybe imagepullsecret-patcher's, in the place of this
chart's own.
*/}}

{{/* Sets what is missing in .into from .from. Mappings that people replace as a whole are not mixed. */}}
{{- define "pullsecrets.fill" -}}
{{- $into := .into -}}
{{- $whole := list "nodeSelector" "resources" "podSecurityContext" "securityContext" -}}
{{- range $key, $default := .from -}}
  {{- if not (hasKey $into $key) -}}
    {{- $_ := set $into $key $default -}}
  {{- else if and (kindIs "map" $default) (kindIs "map" (get $into $key)) (not (has $key $whole)) -}}
    {{- include "pullsecrets.fill" (dict "into" (get $into $key) "from" $default) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/*
The way of working: "policy", or that of a release of imagepullsecret-patcher, with environment variables as a list
(JanSvoboda's chart) or as a mapping (tamcore's). Every template starts with it.
*/}}
{{- define "pullsecrets.mode" -}}
{{- include "pullsecrets.fill" (dict "into" .Values "from" (include "pullsecrets.defaults" . | fromJson)) -}}
{{- if or (kindIs "slice" .Values.policy.rules) (not .Values.policy.create) -}}
policy
{{- else if not (kindIs "invalid" .Values.policy.rules) -}}
{{- fail "policy.rules: must be a list of rules" -}}
{{- else if and (kindIs "map" .Values.env) (include "pullsecrets.hasConfig" .) -}}
mapping
{{- else if or (include "pullsecrets.hasConfig" .) (include "pullsecrets.hasDockerSecrets" .) -}}
list
{{- else -}}
{{- fail "policy.rules is missing: give the rules that say which secrets go where (docs/policy.md), or policy.create=false if something else delivers the ConfigMap pullsecrets-policy. An empty list, [], removes everything that was distributed" -}}
{{- end -}}
{{- end -}}

{{/* Whether env has settings of imagepullsecret-patcher. */}}
{{- define "pullsecrets.hasConfig" -}}
{{- $names := list -}}
{{- if kindIs "map" .Values.env -}}
  {{- $names = keys .Values.env -}}
{{- else -}}
  {{- range .Values.env -}}{{- $names = append $names .name -}}{{- end -}}
{{- end -}}
{{- range $names -}}{{- if hasPrefix "CONFIG_" . -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{- define "pullsecrets.hasDockerSecrets" -}}
{{- range $key, $value := .Values.dockerSecrets -}}{{- if $value -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* Whether some values are those of imagepullsecret-patcher's charts, also beside a policy. */}}
{{- define "pullsecrets.hasAncestor" -}}
{{- include "pullsecrets.hasConfig" . -}}
{{- include "pullsecrets.hasDockerSecrets" . -}}
{{- if contains "imagepullsecret-patcher" (toString .Values.image.repository) -}}yes{{- end -}}
{{- end -}}

{{/* Names of values that nothing reads, a line for each. What is in a mapping that is empty by itself is the user's own. */}}
{{- define "pullsecrets.unknown" -}}
{{- $known := set (include "pullsecrets.defaults" . | fromJson) "global" dict -}}
{{- include "pullsecrets.unknownIn" (dict "given" .Values "known" $known "at" "") -}}
{{- end -}}

{{- define "pullsecrets.unknownIn" -}}
{{- $free := list "nodeSelector" "resources" "podSecurityContext" "securityContext" "policy" -}}
{{- range $key := keys .given | sortAlpha -}}
  {{- $known := get $.known $key -}}
  {{- if not (hasKey $.known $key) }}{{ printf "%s%s\n" $.at $key -}}
  {{- else if and (kindIs "map" $known) $known (kindIs "map" (get $.given $key)) (not (has $key $free)) -}}
    {{- include "pullsecrets.unknownIn" (dict "given" (get $.given $key) "known" $known "at" (printf "%s%s." $.at $key)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
