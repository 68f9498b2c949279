{{/*
The releases of imagepullsecret-patcher's charts. Their values go on working: the program takes the same variables, and what
those charts set where their users gave nothing is set here.
*/}}

{{/* Variables as a JSON list, before those that are given. */}}
{{- define "pullsecrets.ancestorEnv" -}}
{{- $env := list (dict "name" "PULLSECRETS_HEALTH_ADDR" "value" ":8081") -}}
{{- if .Values.monitoring.enabled -}}
  {{- $env = append $env (dict "name" "PULLSECRETS_METRICS_ADDR" "value" ":8080") -}}
{{- end -}}
{{- $defaults := dict "CONFIG_SECRETNAME" "image-pull-secret" -}}
{{- if eq (include "pullsecrets.mode" .) "mapping" -}}
  {{- $defaults = dict "CONFIG_SECRETNAME" "global-imagepullsecret" "CONFIG_EXCLUDED_NAMESPACES" "kube-*" "CONFIG_EXCLUDE_ANNOTATION" "pborn.eu/imagepullsecret-patcher-exclude" -}}
{{- else if kindIs "invalid" .Values.env -}}
  {{- $defaults = merge $defaults (dict "CONFIG_DOCKERCONFIGJSONPATH" "/app/secrets/.dockerconfigjson" "CONFIG_EXCLUDED_NAMESPACES" "kube-system,kube-node-lease,kube-public") -}}
{{- end -}}
{{- range $name := keys $defaults | sortAlpha -}}{{- $env = append $env (dict "name" $name "value" (get $defaults $name)) -}}{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* The name of the copies, or nothing where only the cluster knows it. */}}
{{- define "pullsecrets.ancestorSecret" -}}
{{- range include "pullsecrets.env" . | fromJsonArray -}}
  {{- if eq .name "CONFIG_SECRETNAME" -}}{{- default "" .value -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* What does not fit the way of working. */}}
{{- define "pullsecrets.checkAncestor" -}}
{{- range $switch := list "ha" "admission" "evict" "viewer" -}}
  {{- if (get $.Values $switch).enabled -}}
    {{- fail (printf "%s.enabled needs a policy in policy.rules: these values have the settings of imagepullsecret-patcher" $switch) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The secret that JanSvoboda's chart makes, byte for byte, but for a number as a password. */}}
{{- define "pullsecrets.dockerSecret" -}}
{{- with .Values.dockerSecrets -}}
  {{- range $key := list "hostname" "username" "password" -}}
    {{- if not (get $.Values.dockerSecrets $key) -}}{{- fail (printf "dockerSecrets.%s is missing: hostname, username and password belong together" $key) -}}{{- end -}}
  {{- end -}}
  {{- $email := ternary (include "pullsecrets.text" .email) nil (not (empty .email)) -}}
  {{- dict "auths" (dict .hostname (dict "username" (include "pullsecrets.text" .username) "password" (include "pullsecrets.text" .password) "email" $email)) | toJson -}}
{{- end -}}
{{- end -}}

{{- define "pullsecrets.dockerSecretName" -}}
{{- $name := "" -}}
{{- if kindIs "slice" .Values.env -}}
  {{- range .Values.env -}}{{- if eq .name "CONFIG_SECRETNAME" -}}{{- $name = .value -}}{{- end -}}{{- end -}}
{{- end -}}
{{- default "image-pull-secret" $name -}}
{{- end -}}
