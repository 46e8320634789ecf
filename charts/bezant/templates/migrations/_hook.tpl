{{/* Made anew before each release, in the order of the weight. Called with the weight. */}}
{{- define "bezant.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation
{{- end }}

{{/* The distinct versions of the services, as JSON. Called with the root. */}}
{{- define "bezant.versions" -}}
{{- $versions := list }}
{{- range $name, $service := .Values.services }}{{ $versions = append $versions $service.version }}{{ end }}
{{- $versions | uniq | sortAlpha | toJson }}
{{- end }}

{{/* One run of the migrations by the image of one version. Called with root, version. */}}
{{- define "bezant.migration" -}}
name: migrate-{{ .version | replace "." "-" | lower }}
image: {{ .root.Values.installation.registry }}/{{ .root.Values.image.repository }}:{{ .version }}
imagePullPolicy: IfNotPresent
args: [migrate, --administrator, /var/run/bezant/administrator]
env:
  - {name: BEZANT_INSTANCE_ID, value: migrate}
  - {name: BEZANT_PLATFORM_SECRETS_DIR, value: /var/run/bezant/secrets}
  {{- range $name, $value := include "bezant.settings" (dict "root" .root) | fromYaml }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
resources:
  requests: {cpu: {{ .root.Values.migrations.cpu }}, memory: {{ .root.Values.migrations.memory }}}
  limits: {memory: {{ .root.Values.migrations.memory }}}
securityContext:
  {{- include "bezant.restrictedContainer" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: database-ca, mountPath: /etc/bezant/database-ca, readOnly: true}
  - {name: administrator, mountPath: /var/run/bezant/administrator, readOnly: true}
  - {name: kafka, mountPath: /var/run/bezant/secrets/bezant__platform__kafka, readOnly: true}
{{- end }}
