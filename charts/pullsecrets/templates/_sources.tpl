{{/* The text of a source that is given in .source. No message has any of it. */}}
{{- define "pullsecrets.credential" -}}
{{- $source := .source -}}
{{- if $source.dockerconfigjson -}}
  {{- if $source.registry -}}{{- fail (printf "%s: give either dockerconfigjson, or registry, username and password" .at) -}}{{- end -}}
  {{- if not (fromJson $source.dockerconfigjson).auths -}}
    {{- fail (printf "%s.dockerconfigjson: must be what docker login writes: {\"auths\": {\"REGISTRY\": {…}}}" .at) -}}
  {{- end -}}
  {{- $source.dockerconfigjson -}}
{{- else if not (and $source.registry $source.username $source.password) -}}
  {{- fail (printf "%s: needs dockerconfigjson, or registry, username and password; leave a source out that exists already" .at) -}}
{{- else if regexMatch "[\\r\\n]" (print $source.registry $source.username $source.password) -}}
  {{- fail (printf "%s: registry, username or password has a line break, as of a file that --set-file reads" .at) -}}
{{- else -}}
  {{- $auth := printf "%s:%s" $source.username $source.password | b64enc -}}
  {{- dict "auths" (dict $source.registry (dict "username" $source.username "password" $source.password "auth" $auth)) | toJson -}}
{{- end -}}
{{- end -}}
