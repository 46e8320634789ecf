"""What a deployment costs: prices, the bill, and the bill beside the one that a document states."""
