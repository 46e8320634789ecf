"""Who is calling: API keys from outside, short-lived signed tokens between services."""

from bezant.foundation.identity.api_keys import ApiKeys, Caller, new_api_key
from bezant.foundation.identity.internal_tokens import TokenSigner, TokenVerifier

__all__ = ["ApiKeys", "Caller", "TokenSigner", "TokenVerifier", "new_api_key"]
