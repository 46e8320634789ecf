"""The `bezant` command. Each group of commands is a module of its own; `main` puts them together."""
