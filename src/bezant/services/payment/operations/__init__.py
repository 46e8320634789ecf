"""Use cases of the payment service, one a file."""
