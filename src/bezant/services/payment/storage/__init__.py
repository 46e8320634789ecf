"""SQL of the payment service."""
