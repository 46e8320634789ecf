"""The ledger's public and internal routes."""
