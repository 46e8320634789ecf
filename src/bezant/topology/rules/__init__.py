"""The rules that say what is wrong with a deployment. See `docs/topology/rules.md`."""
