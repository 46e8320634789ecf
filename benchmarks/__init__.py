"""Benchmarks: `make bench` runs them all and writes JSON. Ratios within one run; never a timed test."""
