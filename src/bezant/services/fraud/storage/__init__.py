"""PostgreSQL statements and the Valkey script of the fraud service."""
