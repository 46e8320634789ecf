"""Use cases of the tenant service, one a file."""
