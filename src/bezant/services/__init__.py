"""The seven services. They never import each other (held by import-linter)."""
