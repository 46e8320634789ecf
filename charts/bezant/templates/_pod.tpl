{{/* The settings of a service process. Called with root, name, service. Every name is a field of bezant's Settings. */}}
{{- define "bezant.settings" -}}
{{- $values := .root.Values -}}
BEZANT_CONTROL_DATABASE_HOST: {{ $values.installation.endpoints.controlDatabase | quote }}
BEZANT_DATABASE_SSLMODE: verify-full
BEZANT_DATABASE_SSLROOTCERT: /etc/bezant/database-ca/ca.pem
BEZANT_KAFKA_BOOTSTRAP: {{ $values.installation.endpoints.kafkaBootstrap | quote }}
BEZANT_KAFKA_SECURITY_PROTOCOL: SASL_SSL
BEZANT_KAFKA_SASL_MECHANISM: SCRAM-SHA-512
BEZANT_KAFKA_SSL_CA_LOCATION: /etc/ssl/certs/ca-certificates.crt
BEZANT_KAFKA_REPLICATION_FACTOR: {{ $values.region.kafkaReplicationFactor | quote }}
BEZANT_SECRET_STORE: aws
BEZANT_AWS_REGION: {{ $values.region.name }}
BEZANT_SECRET_REPLICA_REGIONS: {{ join "," $values.region.secretReplicaRegions | quote }}
BEZANT_SECRET_KMS_KEY_ID: {{ $values.installation.secrets.kmsKey | quote }}
BEZANT_LOG_LEVEL: {{ $values.logLevel }}
{{- end }}

{{- define "bezant.serviceSettings" -}}
{{ include "bezant.settings" . }}
BEZANT_VERSION: {{ .service.version | quote }}
BEZANT_HOST: 0.0.0.0
BEZANT_PORT: {{ .service.port | quote }}
BEZANT_MODE_FILE: /etc/bezant/mode/mode
BEZANT_PLATFORM_SECRETS_DIR: /var/run/bezant/secrets
BEZANT_VALKEY_NODES: {{ .root.Values.installation.endpoints.valkey | quote }}
BEZANT_VALKEY_TLS: "true"
BEZANT_VALKEY_CA_FILE: /etc/ssl/certs/ca-certificates.crt
BEZANT_INTERNAL_URL: http://{{ include "bezant.internalHost" .root }}
{{- with .root.Values.pools }}
BEZANT_POOL_MIN_CONNECTIONS: {{ .minConnections | quote }}
BEZANT_POOL_MAX_CONNECTIONS: {{ .maxConnections | quote }}
BEZANT_PROCESS_CONNECTION_CAP: {{ .processConnectionCap | quote }}
BEZANT_POOL_IDLE_SECONDS: {{ .idleSeconds | quote }}
BEZANT_POOL_CHECKOUT_TIMEOUT_SECONDS: {{ .checkoutTimeoutSeconds | quote }}
{{- end }}
{{- with .root.Values.admission }}
BEZANT_ADMISSION_TARGET_SECONDS: {{ .targetSeconds | quote }}
BEZANT_ADMISSION_SMALLEST: {{ .smallest | quote }}
BEZANT_ADMISSION_INITIAL: {{ .initial | quote }}
BEZANT_ADMISSION_LARGEST: {{ .largest | quote }}
BEZANT_ADMISSION_QUEUE_SECONDS: {{ .queueSeconds | quote }}
BEZANT_REQUEST_DEADLINE_SECONDS: {{ .deadlineSeconds | quote }}
{{- end }}
{{- if and (eq .name "notification") .root.Values.mail.host }}
{{- with .root.Values.mail }}
BEZANT_NOTIFICATION_SMTP_HOST: {{ .host | quote }}
BEZANT_NOTIFICATION_SMTP_PORT: {{ .port | quote }}
BEZANT_NOTIFICATION_SMTP_SECURITY: {{ .security }}
BEZANT_NOTIFICATION_MAIL_FROM: {{ .from | quote }}
{{- end }}
{{- end }}
{{- if and (eq .name "tenant") .root.Values.signIn.issuer }}
{{- with .root.Values.signIn }}
BEZANT_TENANT_OIDC_ISSUER: {{ .issuer | quote }}
BEZANT_TENANT_OIDC_CLIENT_ID: {{ .clientId | quote }}
BEZANT_TENANT_OIDC_REDIRECT_URIS: {{ .redirectUris | quote }}
{{- end }}
{{- end }}
{{- if eq .name "tenant" }}
{{- with .root.Values.tenantDatabases }}
BEZANT_TENANT_PROVISIONER: {{ .provisioner }}
BEZANT_TENANT_TIERS: {{ .tiers | quote }}
{{- if eq .provisioner "aurora" }}
BEZANT_AURORA_MODEL: {{ .model | quote }}
BEZANT_AURORA_ZONES: {{ join "," $.root.Values.region.zones | quote }}
BEZANT_AURORA_READERS: {{ .readers | quote }}
BEZANT_AURORA_BACKUP_RETENTION_DAYS: {{ .backupDays | quote }}
{{- with .logDays }}
BEZANT_AURORA_LOG_RETENTION_DAYS: {{ . | quote }}
{{- end }}
{{- with .tenantsPerCluster }}
BEZANT_AURORA_TENANTS_PER_CLUSTER: {{ . | quote }}
{{- end }}
{{- with .instanceClass }}
BEZANT_AURORA_INSTANCE_CLASS: {{ . | quote }}
{{- end }}
{{- with .serverlessCapacity }}
BEZANT_AURORA_SERVERLESS_MIN_CAPACITY: {{ .low | quote }}
BEZANT_AURORA_SERVERLESS_MAX_CAPACITY: {{ .high | quote }}
{{- end }}
{{- with .engineVersion }}
BEZANT_AURORA_ENGINE_VERSION: {{ . | quote }}
{{- end }}
BEZANT_AURORA_SUBNET_GROUP: {{ .subnetGroup | quote }}
BEZANT_AURORA_SECURITY_GROUP_IDS: {{ .securityGroupIds | quote }}
BEZANT_AURORA_PARAMETER_GROUP: {{ .parameterGroup | quote }}
BEZANT_AURORA_KMS_KEY_ID: {{ .kmsKeyId | quote }}
BEZANT_AURORA_MONITORING_ROLE_ARN: {{ .monitoringRoleArn | quote }}
{{- if .secondary.region }}
BEZANT_AURORA_SECONDARY_REGION: {{ .secondary.region }}
BEZANT_AURORA_SECONDARY_ZONE: {{ .secondary.zone | quote }}
BEZANT_AURORA_SECONDARY_SUBNET_GROUP: {{ .secondary.subnetGroup | quote }}
BEZANT_AURORA_SECONDARY_SECURITY_GROUP_IDS: {{ .secondary.securityGroupIds | quote }}
BEZANT_AURORA_SECONDARY_PARAMETER_GROUP: {{ .secondary.parameterGroup | quote }}
BEZANT_AURORA_SECONDARY_KMS_KEY_ID: {{ .secondary.kmsKeyId | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
BEZANT_SHUTDOWN_GRACE_SECONDS: {{ .service.termination.shutdownSeconds | quote }}
BEZANT_OTLP_ENDPOINT: http://collector.{{ .root.Values.observability.namespace }}.svc.cluster.local:4318/v1/traces
BEZANT_TRACE_SAMPLE_RATIO: {{ .root.Values.observability.traceSampleRatio | quote }}
{{- end }}

{{/* The pod of a service. Called with root, name, service, templateHashLabel. */}}
{{- define "bezant.servicePod" -}}
{{- $root := .root }}
{{- $service := .service }}
metadata:
  labels:
    {{- include "bezant.selector" .name | nindent 4 }}
    {{- include "bezant.versionLabels" .service | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: service
    # the agent on port 15020 answers with its own figures and the service's, so that one scrape gets both
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ $service.port | quote }}
    prometheus.io/path: /metrics
    sidecar.istio.io/proxyCPU: {{ $root.Values.sidecar.cpu }}
    sidecar.istio.io/proxyMemory: {{ $root.Values.sidecar.memory }}
    # a native sidecar starts before the service and ends after it
    sidecar.istio.io/nativeSidecar: "true"
    proxy.istio.io/config: |
      terminationDrainDuration: {{ $service.termination.shutdownSeconds }}s
spec:
  serviceAccountName: {{ .name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $service.termination.graceSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  {{- include "bezant.placement" (dict "root" $root "name" .name "pods" $service "templateHashLabel" .templateHashLabel) | nindent 2 }}
  containers:
    - name: service
      image: {{ $root.Values.installation.registry }}/{{ $root.Values.image.repository }}:{{ $service.version }}
      imagePullPolicy: IfNotPresent
      args: [serve, {{ .name }}]
      ports:
        - {name: http, containerPort: {{ $service.port }}, protocol: TCP}
      env:
        - name: BEZANT_INSTANCE_ID
          valueFrom:
            fieldRef: {fieldPath: metadata.name}
        # the scheduler copies the node's zone to the pod's labels (Kubernetes 1.35, PodTopologyLabelsAdmission)
        - name: BEZANT_ZONE
          valueFrom:
            fieldRef: {fieldPath: "metadata.labels['topology.kubernetes.io/zone']"}
        {{- range $name, $value := include "bezant.serviceSettings" . | fromYaml }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      resources:
        requests: {cpu: {{ $service.cpu }}, memory: {{ $service.memory }}}
        # no limit of CPU: being throttled would cost payments their latency while the node idles
        limits: {memory: {{ $service.memory }}}
      {{- range $name, $probe := $service.probes }}
      {{ $name }}Probe:
        httpGet: {path: {{ $probe.path }}, port: http}
        periodSeconds: {{ $probe.periodSeconds }}
        timeoutSeconds: {{ $probe.timeoutSeconds }}
        failureThreshold: {{ $probe.failureThreshold }}
      {{- end }}
      lifecycle:
        preStop:
          # endpoints are withdrawn meanwhile; then SIGTERM, and the process finishes what it has in hand
          sleep: {seconds: {{ $service.termination.preStopSeconds }}}
      securityContext:
        {{- include "bezant.restrictedContainer" . | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: mode, mountPath: /etc/bezant/mode, readOnly: true}
        - {name: database-ca, mountPath: /etc/bezant/database-ca, readOnly: true}
        {{- range include "bezant.platformSecrets" (dict "root" $root "name" .name) | fromJsonArray }}
        - name: {{ include "bezant.secretObject" . }}
          mountPath: /var/run/bezant/secrets/bezant__platform__{{ . | replace "/" "__" }}
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    - name: mode
      configMap: {name: mode}
    - name: database-ca
      configMap: {name: {{ $root.Values.installation.databaseCaConfigMap }}}
    {{- range include "bezant.platformSecrets" (dict "root" $root "name" .name) | fromJsonArray }}
    - name: {{ include "bezant.secretObject" . }}
      secret: {secretName: {{ include "bezant.secretObject" . }}, defaultMode: 0440}
    {{- end }}
{{- end }}

{{/* What tells versions apart in the mesh and in metrics. Called with the service. */}}
{{- define "bezant.versionLabels" -}}
app.kubernetes.io/version: {{ .version | quote }}
{{- end }}
