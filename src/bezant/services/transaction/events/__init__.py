"""What the ledger publishes."""
