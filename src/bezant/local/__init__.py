"""The whole platform on one machine: PostgreSQL, a Valkey cluster, a Kafka-compatible broker, Envoy and the seven
services as supervised processes on loopback, with everything they keep in one data directory.

A service process never imports this package; whatever it needs to know arrives as `BEZANT_...` settings.
"""
