{{/* Matches of path prefixes, whole segments only. Called with the prefixes. */}}
{{- define "bezant.pathMatches" -}}
{{- range . }}
{{- if not (contains "*" .) }}
- uri: {exact: {{ . }}}
- uri: {prefix: {{ . }}/}
{{- end }}
{{- end }}
{{- end }}

{{/* Matches of the paths in which a star stands for one segment: these and nothing below. Called with the paths. */}}
{{- define "bezant.patterns" -}}
{{- range . }}
{{- if contains "*" . }}
- uri: {regex: {{ . | replace "." "\\." | replace "*" "[^/]+" | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* The same paths as an AuthorizationPolicy writes them. Called with the paths. */}}
{{- define "bezant.allowedPaths" -}}
{{- range . }}
{{- if contains "*" . }}
- {{ . | replace "*" "{*}" | quote }}
{{- else }}
- {{ . }}
- {{ . }}/*
{{- end }}
{{- end }}
{{- end }}

{{/* An answer of the mesh itself, after RFC 9457. Called with status, code, title, detail. */}}
{{- define "bezant.answer" -}}
headers:
  response:
    set:
      content-type: application/problem+json
directResponse:
  status: {{ .status }}
  body:
    string: {{ dict "type" (printf "https://bezant.dev/problems/%s" .code) "title" .title "status" .status "code" .code "detail" .detail | toJson | squote }}
{{- end }}

{{/* Where a route leads. For a canary Argo Rollouts moves the weights. Called with root, name, service. */}}
{{- define "bezant.route" -}}
{{- $domain := printf "%s.svc.cluster.local" .root.Release.Namespace -}}
route:
  {{- if hasKey .service "canary" }}
  - destination: {host: {{ .name }}-stable.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 100
  - destination: {host: {{ .name }}-canary.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 0
  {{- else }}
  - destination: {host: {{ .name }}.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 100
  {{- end }}
timeout: {{ .root.Values.mesh.routeTimeoutSeconds }}s
retries:
  # only what provably never reached a handler is sent again
  attempts: 3
  retryOn: connect-failure,refused-stream,reset-before-request
{{- end }}
