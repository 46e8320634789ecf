"""PostgreSQL statements of the audit service."""
