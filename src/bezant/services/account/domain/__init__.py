"""Pure rules of accounts: no I/O."""
