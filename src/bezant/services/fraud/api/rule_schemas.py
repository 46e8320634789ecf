"""Requests and answers about rule sets."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from bezant.contracts.annotations import Text
from bezant.contracts.money import CurrencyCode
from bezant.services.fraud.api.schemas import Ip, Strict
from bezant.services.fraud.domain.compiled_rules import MAX_EXPRESSION_LENGTH, MAX_RULES
from bezant.services.fraud.domain.features import VARIABLES
from bezant.services.fraud.domain.rules import (
    DEFAULT_RULES,
    DEFAULT_RULESET,
    MAX_LISTED,
    THRESHOLDS,
    PartyLists,
    Rule,
    RuleAction,
    Ruleset,
)
from bezant.services.fraud.operations.change_rules import RulesetRecord, RulesetSummary


class RuleIn(Strict):
    """A rule; `code` is the reason that a payment gets when it matches."""

    code: str = Field(pattern="^[a-z][a-z0-9_]{1,63}$", examples=["night_payment"])
    description: Text = Field("", max_length=500)
    action: RuleAction
    score: int = Field(50, ge=1, le=100, strict=True)
    expression: Text = Field(
        min_length=1,
        max_length=MAX_EXPRESSION_LENGTH,
        description="CEL (https://cel.dev) that answers true for a suspicious payment",
        examples=["amount > limit_review_amount && hour_utc < 5"],
    )
    enabled: bool = True


class PartyListsIn(Strict):
    """Parties of payments, by what names them."""

    account_ids: set[UUID] = Field(default_factory=set, max_length=MAX_LISTED)
    device_ids: set[Annotated[Text, Field(min_length=1, max_length=200)]] = Field(
        default_factory=set, max_length=MAX_LISTED
    )
    ips: set[Ip] = Field(default_factory=set, max_length=MAX_LISTED)
    emails: set[Annotated[Text, Field(min_length=3, max_length=320)]] = Field(
        default_factory=set, max_length=MAX_LISTED
    )
    countries: set[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = Field(default_factory=set, max_length=MAX_LISTED)

    def lists(self) -> PartyLists:
        """Return the lists as rules are matched with them."""
        return PartyLists(
            account_ids=frozenset(str(account_id) for account_id in self.account_ids),
            device_ids=frozenset(self.device_ids),
            ips=frozenset(self.ips),
            emails=frozenset(email.lower() for email in self.emails),
            countries=frozenset(self.countries),
        )

    @classmethod
    def of(cls, lists: PartyLists) -> "PartyListsIn":
        """Return the answer for lists."""
        # Not checked again: what was accepted once is shown as it is kept.
        return cls.model_construct(
            account_ids={UUID(account_id) for account_id in lists.account_ids},
            device_ids=set(lists.device_ids),
            ips=set(lists.ips),
            emails=set(lists.emails),
            countries=set(lists.countries),
        )


ThresholdValues = dict[Annotated[str, Field(max_length=100)], Annotated[float, Field(ge=0, le=1e18)]]


class RulesetIn(Strict):
    """A whole rule set. A part that is left out is the one that ships with the product."""

    rules: list[RuleIn] | None = Field(None, max_length=MAX_RULES)
    thresholds: ThresholdValues = Field(
        default_factory=dict,
        description="In major units; amounts are scaled by the currency's order of magnitude",
        examples=[{"review_amount": 5000}],
    )
    thresholds_by_currency: dict[CurrencyCode, ThresholdValues] = Field(
        default_factory=dict,
        description="In major units of that currency",
        examples=[{"JPY": {"review_amount": 750000}}],
    )
    block_lists: PartyListsIn = Field(PartyListsIn(), description="A payment with one of these has `blocked` set")
    allow_lists: PartyListsIn = Field(
        PartyListsIn(), description="A payment with one of these is not held for review; declines stand"
    )

    def ruleset(self) -> Ruleset:
        """Return the rule set that is asked for; its version is assigned when it is activated."""
        return Ruleset(
            version=0,
            rules=DEFAULT_RULES if self.rules is None else tuple(Rule(**rule.model_dump()) for rule in self.rules),
            thresholds=DEFAULT_RULESET.thresholds | self.thresholds,
            thresholds_by_currency=dict(self.thresholds_by_currency),
            block_lists=self.block_lists.lists(),
            allow_lists=self.allow_lists.lists(),
        )


class RulesIn(RulesetIn):
    """A rule set that is to judge."""

    based_on_version: int | None = Field(None, ge=1, description="Refuse with 409 unless this version is active")
    note: Text = Field("", max_length=2_000, description="Why; kept in the history")
    mode: Literal["active", "shadow"] = Field(
        "active", description="`shadow`: judges beside the active one, and only its opinion is kept"
    )


class ActivationIn(Strict):
    """A version of the history that is to judge."""

    note: Text = Field("", max_length=2_000, description="Why; kept in the history")


class ListChangeIn(Strict):
    """Parties that join a list of the active rule set, and parties that leave it."""

    list: Literal["block", "allow"]
    add: PartyListsIn = PartyListsIn()
    remove: PartyListsIn = PartyListsIn()
    note: Text = Field("", max_length=2_000, description="Why; kept in the history")


class RuleOut(RuleIn):
    """A rule as it is stored."""


class VariableOut(BaseModel):
    """Something that a rule can look at."""

    type: str
    description: str
    needs_velocity: bool = Field(description="Rules that use it are passed over while the counters are unreachable")


class RulesOut(BaseModel):
    """A rule set."""

    version: int
    rules: list[RuleOut]
    thresholds: dict[str, float]
    thresholds_by_currency: dict[str, dict[str, float]]
    block_lists: PartyListsIn
    allow_lists: PartyListsIn
    note: str
    created_by: str | None = Field(description="Null for the rule set that ships with the product")
    created_at: datetime | None
    mode: str = Field(description="`shadow` for a version that was made to judge beside the active one")
    variables: dict[str, VariableOut] = Field(description="What the expressions of rules can use")
    threshold_descriptions: dict[str, str]

    @classmethod
    def of(cls, record: RulesetRecord) -> Self:
        """Return the answer for a rule set."""
        ruleset = record.ruleset
        return cls(
            version=ruleset.version,
            rules=[
                RuleOut(
                    code=rule.code,
                    description=rule.description,
                    action=rule.action,
                    score=rule.score,
                    expression=rule.expression,
                    enabled=rule.enabled,
                )
                for rule in ruleset.rules
            ],
            thresholds=ruleset.thresholds,
            thresholds_by_currency=ruleset.thresholds_by_currency,
            block_lists=PartyListsIn.of(ruleset.block_lists),
            allow_lists=PartyListsIn.of(ruleset.allow_lists),
            note=record.note,
            created_by=record.created_by,
            created_at=record.created_at,
            mode=record.mode,
            variables={name: VariableOut(**variable._asdict()) for name, variable in VARIABLES.items()},
            threshold_descriptions={name: threshold.description for name, threshold in THRESHOLDS.items()},
        )


class RulesVersionOut(BaseModel):
    """One line of the history."""

    version: int
    note: str
    created_by: str | None
    created_at: datetime | None
    mode: str

    @classmethod
    def of(cls, summary: RulesetSummary) -> Self:
        """Return the answer for a line of the history."""
        return cls(
            version=summary.version,
            note=summary.note,
            created_by=summary.created_by,
            created_at=summary.created_at,
            mode=summary.mode,
        )


class RulesHistoryOut(BaseModel):
    """The history, newest first."""

    data: list[RulesVersionOut]
    next_before: int | None = Field(description="Send it as `before` for the next page; null on the last one")
