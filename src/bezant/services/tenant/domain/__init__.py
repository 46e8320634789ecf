"""Rules of the tenant service; no I/O."""
