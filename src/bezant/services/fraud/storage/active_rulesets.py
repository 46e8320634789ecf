"""The rule set that judges each tenant's payments, compiled once per version and process."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, Ruleset
from bezant.services.fraud.storage import QUERIES

_MAX_CACHED: Final = 1_000
_decoder = msgspec.json.Decoder(Ruleset)
_encoder = msgspec.json.Encoder(order="sorted")


def encode_ruleset(ruleset: Ruleset) -> str:
    """Return the document that is stored."""
    return _encoder.encode(ruleset).decode()


def decode_ruleset(document: str) -> Ruleset:
    """Return a stored rule set."""
    return _decoder.decode(document)


class ActiveRulesets:
    """Compiled rule sets by tenant, least recently used ones dropped."""

    def __init__(self) -> None:
        self._default = CompiledRuleset(DEFAULT_RULESET)
        self._compiled: OrderedDict[UUID, CompiledRuleset] = OrderedDict()

    async def of_version(self, tx: TenantTransaction, version: int) -> CompiledRuleset:
        """Return the tenant's rule set of the version that the transaction found to be active."""
        if version == DEFAULT_RULESET.version:
            return self._default
        cached = self._compiled.get(tx.tenant_id)
        if cached is None or cached.version != version:
            row = await tx.fetch_one(QUERIES["ruleset_by_version"], {"version": version})
            if row is None:
                raise LookupError(f"rule set {version} of tenant {tx.tenant_id} has no row")
            cached = CompiledRuleset(decode_ruleset(row[1]))
            self._compiled[tx.tenant_id] = cached
            if len(self._compiled) > _MAX_CACHED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(tx.tenant_id)
        return cached
