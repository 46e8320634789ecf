{{/*
Where a platform secret comes from. The broker's and the cache's are made by AWS with its own key names. Called with
root, store, object (the Kubernetes Secret), secret (the name below bezant/platform/).
*/}}
{{- define "bezant.externalSecret" -}}
refreshInterval: {{ .root.Values.secretRefreshInterval }}
secretStoreRef: {kind: SecretStore, name: {{ .store }}}
target:
  name: {{ .object }}
{{- if eq .secret "kafka" }}
data:
  - secretKey: user
    remoteRef: {key: {{ .root.Values.installation.secrets.kafka }}, property: username}
  - secretKey: password
    remoteRef: {key: {{ .root.Values.installation.secrets.kafka }}, property: password}
{{- else if eq .secret "valkey" }}
data:
  - secretKey: user
    remoteRef: {key: {{ .root.Values.installation.secrets.valkey }}, property: user}
  - secretKey: password
    remoteRef: {key: {{ .root.Values.installation.secrets.valkey }}, property: password}
{{- else }}
dataFrom:
  - extract: {key: bezant/platform/{{ .secret }}}
{{- end }}
{{- end }}
