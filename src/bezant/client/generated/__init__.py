"""The typed operations and bodies, made from the OpenAPI document by `bezant contracts write`."""
