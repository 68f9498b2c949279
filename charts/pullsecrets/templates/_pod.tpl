{{/* The parts of the pod that depend on more than one value. */}}

{{/* As long as values of imagepullsecret-patcher's charts are there, image.* may be theirs too, and is not followed. */}}
{{- define "pullsecrets.image" -}}
{{- $image := .Values.image -}}
{{- if $image.reference -}}
{{- $image.reference -}}
{{- else -}}
{{- if include "pullsecrets.hasAncestor" . -}}
  {{- $image = (include "pullsecrets.defaults" . | fromJson).image -}}
{{- else if not (kindIs "string" (default "" $image.tag)) -}}
  {{- fail "image.tag: is a number, and 1.10 would be 1.1: put quotes around it, or use --set-string" -}}
{{- end -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- with $image.digest }}@{{ . }}{{ else }}:{{ default $.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether the values have the pod or its container run as root. */}}
{{- define "pullsecrets.isRoot" -}}
{{- range list .Values.podSecurityContext .Values.securityContext -}}
  {{- $user := get (default dict .) "runAsUser" -}}
  {{- if and (not (kindIs "invalid" $user)) (eq (toString $user) "0") -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* The mapping .key of the values; what the chart says itself is added where the values may be another chart's. */}}
{{- define "pullsecrets.mapping" -}}
{{- $given := deepCopy (default dict (get .root.Values .key)) -}}
{{- if include "pullsecrets.hasAncestor" .root -}}
  {{- $default := get (include "pullsecrets.defaults" .root | fromJson) .key -}}
  {{- if include "pullsecrets.isRoot" .root -}} {{- /* runAsNonRoot is this chart's own, and the kubelet would refuse both */ -}}
    {{- $default = omit $default "runAsNonRoot" -}}
    {{- $given = omit $given "runAsNonRoot" -}}
  {{- end -}}
  {{- include "pullsecrets.fill" (dict "into" $given "from" $default) -}}
{{- end -}}
{{- if and (eq .key "podSecurityContext") (eq (include "pullsecrets.mode" .root) "mapping") (not (hasKey $given "fsGroup")) -}}
  {{- $_ := set $given "fsGroup" 1000 -}} {{- /* tamcore's chart says so, and a mounted Secret may be for that group alone */ -}}
{{- end -}}
{{- toYaml $given -}}
{{- end -}}

{{/* A quantity of memory in MiB, or nothing for what cannot be read. */}}
{{- define "pullsecrets.mebibytes" -}}
{{- $text := include "pullsecrets.text" . -}}
{{- $units := dict "" 1 "k" 1000 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" -}}
{{- if and (regexMatch "^[0-9]" $text) (hasKey $units $unit) -}}
{{- divf (mulf (trimSuffix $unit $text | float64) (get $units $unit)) 1048576 -}}
{{- end -}}
{{- end -}}

{{/* The limit of memory that the values give and that is raised: those of imagepullsecret-patcher end the program. */}}
{{- define "pullsecrets.lowLimit" -}}
{{- if include "pullsecrets.hasAncestor" . -}}
  {{- $limit := dig "limits" "memory" "" (default dict .Values.resources) -}}
  {{- $mebibytes := include "pullsecrets.mebibytes" $limit -}}
  {{- if and $mebibytes (lt (float64 $mebibytes) 256.0) -}}{{- include "pullsecrets.text" $limit -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pullsecrets.resources" -}}
{{- $resources := deepCopy (default dict .Values.resources) -}}
{{- if include "pullsecrets.lowLimit" . -}}
  {{- $_ := set $resources.limits "memory" (include "pullsecrets.defaults" . | fromJson).resources.limits.memory -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* A value as text: a whole number has all of its digits, and no exponent. */}}
{{- define "pullsecrets.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{- printf "%.0f" . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{/* Variables as JSON. With a policy, settings of imagepullsecret-patcher would put another rule in its place. */}}
{{- define "pullsecrets.env" -}}
{{- $mode := include "pullsecrets.mode" . -}}
{{- $given := list -}}
{{- if kindIs "map" .Values.env -}}
  {{- range $name := keys .Values.env | sortAlpha -}}
    {{- $value := get $.Values.env $name -}}
    {{- if kindIs "map" $value -}}
      {{- $given = append $given (merge (dict "name" $name) $value) -}}
    {{- else if not (kindIs "invalid" $value) -}}
      {{- $given = append $given (dict "name" $name "value" (tpl (include "pullsecrets.text" $value) $)) -}}
    {{- end -}}
  {{- end -}}
{{- else -}}
  {{- $given = default list .Values.env -}}
{{- end -}}
{{- $ours := list (dict "name" "POD_NAMESPACE" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.namespace"))) -}}
{{- if ne $mode "policy" -}}
  {{- $ours = concat $ours (include "pullsecrets.ancestorEnv" . | fromJsonArray) -}}
{{- end -}}
{{- $env := dict -}}
{{- $names := list -}}
{{- range concat $ours $given -}}
  {{- $config := hasPrefix "CONFIG_" .name -}}
  {{- $empty := and $config (not .value) (not .valueFrom) (ne .name "CONFIG_SERVICEACCOUNTS") -}}
  {{- if not (or $empty (and $config (eq $mode "policy"))) -}}
    {{- if not (hasKey $env .name) -}}{{- $names = append $names .name -}}{{- end -}}
    {{- $_ := set $env .name . -}}
  {{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range $names -}}{{- $list = append $list (get $env .) -}}{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/* The ConfigMap with authorities for registries, where the policy can have registries asked. */}}
{{- define "pullsecrets.registryCA" -}}
{{- if eq (include "pullsecrets.mode" .) "policy" -}}{{- .Values.verify.caConfigMap -}}{{- end -}}
{{- end -}}

{{- define "pullsecrets.args" -}}
- run
{{- if and (eq (include "pullsecrets.mode" .) "policy") .Values.sourceNamespaces }}
- -source-namespaces={{ join "," .Values.sourceNamespaces }}
{{- end }}
{{- if not (kindIs "invalid" .Values.maxPrune) }}
- -max-prune={{ .Values.maxPrune }}
{{- end }}
{{- if not (kindIs "invalid" .Values.maxFailing) }}
- -max-failing={{ .Values.maxFailing }}
{{- end }}
{{- with .Values.expiryWarning }}
- -expiry-warning={{ . }}
{{- end }}
{{- with .Values.logLevel }}
- -log-level={{ . }}
{{- end }}
{{- with .Values.logFormat }}
- -log-format={{ . }}
{{- end }}
{{- if .Values.ha.enabled }}
- -leader-elect
{{- end }}
{{- if .Values.admission.enabled }}
- -admission
{{- end }}
{{- if include "pullsecrets.registryCA" . }}
- -registry-ca-file=/etc/pullsecrets/registries/ca.crt
{{- end }}
{{- if and (eq (include "pullsecrets.mode" .) "policy") .Values.verify.plainHTTP }}
- -registry-plain-http={{ join "," .Values.verify.plainHTTP }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
