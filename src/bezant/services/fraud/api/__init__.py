"""The public and the internal HTTP interface of the fraud service."""
