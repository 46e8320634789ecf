"""Prometheus metrics of the audit service."""

from prometheus_client import Counter, Gauge

ENTRIES_APPENDED = Counter("bezant_audit_entries_total", "Entries appended to audit logs", ["tenant"])
TREE_SIZE = Gauge("bezant_audit_tree_size", "Entries in the tenant's log as this process last saw it", ["tenant"])
