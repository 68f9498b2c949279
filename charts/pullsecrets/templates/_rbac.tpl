{{/*
What the roles name, as JSON: copies, a sorted list, and sources, a sorted list for each namespace. It is what internal/rbac
makes of the same policy.
*/}}
{{- define "pullsecrets.secrets" -}}
{{- $copies := dict -}}
{{- $sources := dict -}}
{{- if .Values.policy.create -}}
  {{- range .Values.policy.rules -}}
    {{- range .secrets -}}
      {{- $_ := set $copies (default .source.name .name) true -}}
      {{- include "pullsecrets.addSource" (dict "to" $sources "namespace" (default $.Release.Namespace .source.namespace) "name" .source.name) -}}
    {{- end -}}
  {{- end -}}
{{- else -}}
  {{- range .Values.rbac.copies -}}{{- $_ := set $copies . true -}}{{- end -}}
  {{- range .Values.rbac.sources -}}
    {{- $source := ternary (dict "name" .) . (kindIs "string" .) -}}
    {{- include "pullsecrets.addSource" (dict "to" $sources "namespace" (default $.Release.Namespace $source.namespace) "name" $source.name) -}}
  {{- end -}}
{{- end -}}
{{- range .Values.rbac.also -}}{{- $_ := set $copies . true -}}{{- end -}}
{{- if .Values.rbac.fromStatus -}}
  {{- $status := lookup "v1" "ConfigMap" .Release.Namespace "pullsecrets-status" -}}
  {{- range regexSplit "\\s+" (dig "data" "names" "" (default dict $status)) -1 -}}
    {{- /* Somebody may have edited the status: what is no name is passed over. */ -}}
    {{- if regexMatch "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" . -}}{{- $_ := set $copies . true -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- $sorted := dict -}}
{{- range $namespace, $names := $sources -}}{{- $_ := set $sorted $namespace (keys $names | sortAlpha) -}}{{- end -}}
{{- toJson (dict "copies" (keys $copies | sortAlpha) "sources" $sorted) -}}
{{- end -}}

{{- define "pullsecrets.addSource" -}}
{{- if not (hasKey .to .namespace) -}}{{- $_ := set .to .namespace dict -}}{{- end -}}
{{- $_ := set (get .to .namespace) .name true -}}
{{- end -}}

{{/* The rules of the ClusterRole; without names of copies there is no rule about secrets, unless .wide asks for all. */}}
{{- define "pullsecrets.clusterRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, patch]
{{- if or .copies .wide }}
- apiGroups: [""]
  {{- if not .wide }}
  resourceNames: {{ toJson .copies }}
  {{- end }}
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- end -}}

{{- define "pullsecrets.sourceRule" -}}
- apiGroups: [""]
  {{- if not .wide }}
  resourceNames: {{ toJson .names }}
  {{- end }}
  resources: [secrets]
  verbs: [list, watch]
{{- end -}}

{{- define "pullsecrets.statusRule" -}}
- apiGroups: [""]
  resourceNames: [pullsecrets-status]
  resources: [configmaps]
  verbs: [list, watch, create, patch]
{{- end -}}

{{- define "pullsecrets.eventsRule" -}}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "pullsecrets.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "pullsecrets.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}
