"""Rules of the payment service; no I/O."""
