"""Sagas: operations on a tenant in steps, each resumable after a crash, idempotent, and compensated on failure."""
