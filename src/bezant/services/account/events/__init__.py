"""What the account service publishes."""
