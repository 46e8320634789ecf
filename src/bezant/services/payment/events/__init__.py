"""Events that the payment service publishes and consumes."""
