"""Tenant databases on Amazon Aurora PostgreSQL: shared clusters that are there, dedicated ones made for one tenant."""
