"""The schema that holds which service of a tenant has which Idempotency-Key."""
