"""The HTTP API of the tenant service."""
