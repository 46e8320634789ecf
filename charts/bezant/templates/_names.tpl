{{/* Labels that every object carries. Called with the root. */}}
{{- define "bezant.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels that select the pods of a service. Called with its name. */}}
{{- define "bezant.selector" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: bezant
{{- end }}

{{/* A service's identity in the mesh. Called with the root and the name of a service account. */}}
{{- define "bezant.principal" -}}
{{ .root.Values.mesh.trustDomain }}/ns/{{ .root.Release.Namespace }}/sa/{{ .account }}
{{- end }}

{{/* Whether the region serves: "yes", or nothing. Called with the root. */}}
{{- define "bezant.active" -}}
{{- if eq .Values.mode "active" }}yes{{ end -}}
{{- end }}

{{/* How many pods stand where no autoscaler decides. Called with the root and the pods' values. */}}
{{- define "bezant.replicas" -}}
{{- if include "bezant.active" .root }}{{ .pods.replicas }}{{ else }}{{ .pods.standbyReplicas }}{{ end -}}
{{- end }}

{{/* The host that takes calls between services. Called with the root. */}}
{{- define "bezant.internalHost" -}}
internal.{{ .Release.Namespace }}.svc.cluster.local
{{- end }}

{{/* The names in the secret store of a service's platform secrets, as JSON. Called with the root and the name. */}}
{{- define "bezant.platformSecrets" -}}
{{- $own := index .root.Values.ownSecrets .name | default list -}}
{{- if and (eq .name "notification") .root.Values.mail.host .root.Values.mail.login }}{{ $own = append $own "smtp" }}{{ end -}}
{{- if and (eq .name "tenant") .root.Values.signIn.issuer .root.Values.signIn.clientSecret }}{{ $own = append $own "oidc-client" }}{{ end -}}
{{- concat (list (printf "control/%s" .name) (printf "signing/%s" .name) "verifying" "kafka" "valkey") $own | toJson -}}
{{- end }}

{{/* The Kubernetes Secret that holds a platform secret. Called with its name, such as control/payment. */}}
{{- define "bezant.secretObject" -}}
platform-{{ . | replace "/" "-" }}
{{- end }}
