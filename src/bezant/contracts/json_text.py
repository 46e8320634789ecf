"""What goes wrong when JSON from elsewhere is read with msgspec."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)
"""Everything that `msgspec.json` raises for text it cannot read. The second comes for bytes inside a string that are
not UTF-8; it is a `ValueError` but no `msgspec.DecodeError`."""
