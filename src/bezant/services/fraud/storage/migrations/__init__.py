"""Migrations of the schema, in order of their file names."""
