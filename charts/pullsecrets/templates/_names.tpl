{{/*
Names and labels. A policy's release has the names of kustomize/base, to which docs and the program refer. A release of
imagepullsecret-patcher's charts keeps those that it has, so that an upgrade changes its objects in place: the selector of a
Deployment cannot change.
*/}}

{{- define "pullsecrets.name" -}}
{{- if eq (include "pullsecrets.mode" .) "policy" -}}
pullsecrets
{{- else -}}
{{- default "imagepullsecret-patcher" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pullsecrets.fullname" -}}
{{- $name := include "pullsecrets.name" . -}}
{{- if eq (include "pullsecrets.mode" .) "policy" -}}
{{- $name -}}
{{- else if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pullsecrets.serviceAccount" -}}
{{- if or .Values.serviceAccount.create (eq (include "pullsecrets.mode" .) "policy") -}}
{{- default (include "pullsecrets.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* They must not change with the version: pods have them, and a Deployment's selector. */}}
{{- define "pullsecrets.selector" -}}
app.kubernetes.io/name: {{ include "pullsecrets.name" . | quote }}
{{- if ne (include "pullsecrets.mode" .) "policy" }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
{{- end -}}

{{- define "pullsecrets.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "pullsecrets.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* A file of this chart as an object with the labels of the release. */}}
{{- define "pullsecrets.labelled" -}}
{{- $object := .object -}}
{{- $_ := set $object.metadata "labels" (merge (dict) (include "pullsecrets.labels" .root | fromYaml) (default dict $object.metadata.labels)) -}}
{{- toYaml $object -}}
{{- end -}}

{{/* tamcore's chart passes these objects over in silence where the cluster does not know them. */}}
{{- define "pullsecrets.noMonitors" -}}
{{- if and (include "pullsecrets.hasAncestor" .) (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}yes{{- end -}}
{{- end -}}
