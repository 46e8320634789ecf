"""Canaries: a version under growing shares of the requests, judged by the chart's own analysis."""
