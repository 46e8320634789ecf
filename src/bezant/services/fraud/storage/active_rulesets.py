"""The rule sets that judge each tenant's payments, in earnest and in shadow, compiled once per version and process."""

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
        self._compiled: OrderedDict[tuple[UUID, int], CompiledRuleset] = OrderedDict()

    def cached(self, tenant_id: UUID, version: int) -> CompiledRuleset | None:
        """Return the tenant's rule set of a version if this process has compiled it."""
        if version == DEFAULT_RULESET.version:
            return self._default
        return self._compiled.get((tenant_id, version))

    async def of_version(self, tx: TenantTransaction, version: int) -> CompiledRuleset:
        """Return the tenant's rule set of a version that the transaction has found."""
        if version == DEFAULT_RULESET.version:
            return self._default
        key = (tx.tenant_id, version)
        cached = self._compiled.get(key)
        if cached is None:
            row = await tx.fetch_one(QUERIES["ruleset_by_version"], {"version": version})
            if row is None:
                raise LookupError(f"rule set {version} of tenant {tx.tenant_id} has no row")
            cached = self._compiled[key] = CompiledRuleset(decode_ruleset(row[1]))
            if len(self._compiled) > _MAX_CACHED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return cached
