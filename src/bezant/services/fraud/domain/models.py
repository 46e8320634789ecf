"""Models beside the rules: an artefact with a version, which turns the kept features of a payment into a score.

A model never decides. Its score is kept with every assessment from the first moment, which is its shadow; when it
is made active, rules see it as `model_score` and a tenant's rules say what follows from it.

The artefact is JSON: `format`, `kind`, `name`, `version`, `feature_set`, `trained_at`, and what the kind needs.
Other kinds are added to `KINDS`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from bezant.contracts.json_text import UNREADABLE
from bezant.services.fraud.domain.features import FEATURE_NAMES, FEATURE_SET

FORMAT: Final = "bezant-fraud-model/1"


class ModelInvalid(ValueError):
    """An artefact that cannot be read, or that was made for other features. The message says which and why."""


class FraudModel(Protocol):
    """What scores a payment."""

    @property
    def name(self) -> str:
        """Name, version and the artefact's first hash digits: what is kept with each score."""

    def score(self, features: Sequence[float]) -> float:
        """Return how likely fraud is, 0 to 1, for features in the order of `FEATURE_NAMES`."""


class _Input(msgspec.Struct, frozen=True):
    feature: str
    weight: float
    mean: float = 0.0
    deviation: float = 1.0
    logarithm: bool = False


class _Artefact(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    kind: str
    name: str
    version: str
    feature_set: int
    trained_at: str
    parameters: dict[str, Any]


class LogisticModel:
    """Logistic regression over standardised features; those marked `logarithm` enter as log(1 + x)."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Read `inputs` and `bias`. Raises `ModelInvalid`."""
        self._name = name
        try:
            inputs = msgspec.convert(parameters.get("inputs"), list[_Input])
            self._bias = msgspec.convert(parameters.get("bias"), float)
        except msgspec.ValidationError as error:
            raise ModelInvalid(f"{name}: {error}") from error
        unknown = [each.feature for each in inputs if each.feature not in FEATURE_NAMES]
        if unknown:
            raise ModelInvalid(f"{name}: feature set {FEATURE_SET} has no feature {unknown[0]!r}")
        if any(each.deviation <= 0 for each in inputs):
            raise ModelInvalid(f"{name}: a deviation must be above 0")
        self._inputs = [
            (FEATURE_NAMES.index(each.feature), each.weight, each.mean, each.deviation, each.logarithm)
            for each in inputs
        ]

    @property
    def name(self) -> str:
        """See `FraudModel`."""
        return self._name

    def score(self, features: Sequence[float]) -> float:
        """See `FraudModel`."""
        total = self._bias
        for place, weight, mean, deviation, logarithm in self._inputs:
            value = math.log1p(max(0.0, features[place])) if logarithm else features[place]
            total += weight * (value - mean) / deviation
        # Beyond this the exponential overflows, and the score is 0 or 1 long before.
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, total))))


KINDS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], FraudModel]]] = {"logistic": LogisticModel}
"""How each kind of model is made from its parameters."""


def load_model(artefact: bytes) -> FraudModel:
    """Return the model in an artefact. Raises `ModelInvalid`."""
    try:
        read = msgspec.json.decode(artefact, type=_Artefact)
    except UNREADABLE as error:
        raise ModelInvalid(f"the artefact cannot be read: {error}") from error
    if read.format != FORMAT:
        raise ModelInvalid(f"the artefact's format is {read.format!r}, not {FORMAT!r}")
    if read.feature_set != FEATURE_SET:
        raise ModelInvalid(f"{read.name} was made for feature set {read.feature_set}; this is set {FEATURE_SET}")
    kind = KINDS.get(read.kind)
    if kind is None:
        raise ModelInvalid(f"{read.name} is of the unknown kind {read.kind!r}; known are {', '.join(KINDS)}")
    return kind(f"{read.name}/{read.version}+{hashlib.sha256(artefact).hexdigest()[:12]}", read.parameters)
