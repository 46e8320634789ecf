"""What the fraud service publishes."""
