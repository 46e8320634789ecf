"""The circuit of an endpoint: after several failures in a row nothing is sent for a while, then one message tries.

A dead receiver costs a request until its timeout; without a circuit many of them would take the requests that
other tenants' receivers could use. Source of the pattern: M. Nygard, Release It!, "Circuit Breaker".
"""

from typing import Final

FAILURES_TO_OPEN: Final = 5
"""Failures in a row after which the circuit opens; from then on one message at a time tries."""
FIRST_OPEN_SECONDS: Final = 5.0
LONGEST_OPEN_SECONDS: Final = 300.0
"""Each time that it opens again without a success between it stays open for twice as long, up to this."""
LONGEST_RETRY_AFTER_SECONDS: Final = 86_400.0
"""A receiver may ask for a day of rest at most; who needs longer disables the endpoint."""
