"""The typed model: frozen, strict, no unknown keys. Units stand last in the names."""
