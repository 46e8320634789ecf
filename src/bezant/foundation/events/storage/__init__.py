"""The tables by which every schema publishes and consumes events."""
