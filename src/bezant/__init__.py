"""Bezant: a multi-tenant payments platform, seven services and one PostgreSQL database per tenant."""

__version__ = "0.1.0"
