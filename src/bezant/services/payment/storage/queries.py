"""The queries of the payment service by name."""

from bezant.foundation.database import load_queries

QUERIES = load_queries("bezant.services.payment.storage", "queries.sql")
