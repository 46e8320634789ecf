"""Checks of meaning: each a pure function from the manifests and the model to sentences about what is wrong."""
