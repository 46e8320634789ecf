"""The bodies of requests and answers.

Made from the OpenAPI document by `bezant contracts write`; do not edit.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class AccountRequest(TypedDict):
    """An account to open."""

    currency: str
    daily_limit_minor: NotRequired[int | None]
    metadata: NotRequired[dict[str, str]]
    name: str
    overdraft_limit_minor: NotRequired[int]
    type: Literal["customer", "merchant", "settlement", "fee"]


class AccountView(TypedDict):
    """An account."""

    created_at: str
    currency: str
    daily_limit_minor: int | None
    id: str
    metadata: dict[str, str]
    name: str
    overdraft_limit_minor: int | None
    status: Literal["open", "frozen", "closed"]
    type: Literal["customer", "merchant", "settlement", "fee"]
    updated_at: str


class ActAnswer(TypedDict):
    """One administrative act."""

    act: str
    actor: str
    details: dict[str, Any]
    happened_at: str
    id: str
    subject: str
    tenant_id: str | None


class ActivationIn(TypedDict):
    """A version of the history that is to judge."""

    note: NotRequired[str]


class AgreementOut(TypedDict):
    """Payments that the active rules decided in one way, and the shadow in another (or the same)."""

    decision: Decision
    payments: TallyOut
    shadow_decision: Decision


class ApiKeyAnswer(TypedDict):
    """A key without its secret."""

    created_at: str
    created_by: str
    expires_at: str | None
    key_id: str
    name: str
    replaced_by: str | None
    revoked_at: str | None
    scopes: list[str]
    tenant_id: str | None


class ApiKeyList(TypedDict):
    """All keys of a tenant."""

    data: list[ApiKeyAnswer]


class ApiKeyRequest(TypedDict):
    """A key to be made."""

    expires_at: NotRequired[str | None]
    name: str
    scopes: list[str]
    tenant_id: NotRequired[str | None]


class ApprovalNote(TypedDict):
    """Why."""

    note: NotRequired[str]


ApprovalStatus: TypeAlias = "Literal['pending', 'approved', 'rejected', 'withdrawn', 'expired', 'executed', 'failed']"


class ApprovalView(TypedDict):
    """What one person asked for and another has to approve."""

    action: str
    decided_at: str | None
    decided_by: str | None
    expires_at: str
    finished_at: str | None
    id: str
    note: str
    outcome: dict[str, Any] | None
    request: dict[str, Any]
    requested_at: str
    requested_by: str
    status: ApprovalStatus
    subject: str


class AssessmentOut(TypedDict):
    """A stored judgement; it never changes."""

    amount: Money
    assessed_at: str
    case_id: str | None
    created_at: str
    decision: Decision
    degraded: bool
    destination_account_id: str
    features: dict[str, Any]
    id: str
    payment_id: str
    reasons: list[str]
    ruleset_version: int
    score: int
    shadow: dict[str, Any] | None
    source_account_id: str


class AssignmentIn(TypedDict):
    """Who works on a case."""

    assignee: str | None


class AttemptOut(TypedDict):
    """One try."""

    answer_body: str | None
    attempted_at: str
    duration_ms: int
    error: str | None
    number: int
    status_code: int | None


BacktestIn = TypedDict("BacktestIn", {"allow_lists": "NotRequired[PartyListsIn]", "before": "NotRequired[str | None]", "block_lists": "NotRequired[PartyListsIn]", "from": "NotRequired[str | None]", "limit": "NotRequired[int]", "rules": "NotRequired[list[RuleIn] | None]", "thresholds": "NotRequired[dict[str, float]]", "thresholds_by_currency": "NotRequired[dict[str, dict[str, float]]]"})


class BacktestOut(TypedDict):
    """What would have come of the rule set. Fraud and good are by label, or else by the case's decision."""

    decisions: list[DecisionChangeOut]
    degraded: int
    fraud: int
    good: int
    good_payments_blocked: list[TallyOut]
    good_payments_held: list[TallyOut]
    good_payments_released: list[TallyOut]
    money_lost: list[TallyOut]
    money_saved: list[TallyOut]
    newest: str | None
    oldest: str | None
    payments: int
    rules: list[RuleHitsOut]
    truncated: bool
    unknown: int
    unknown_payments_blocked: list[TallyOut]
    unknown_variables: list[str]
    without_features: int


class Balance(TypedDict):
    """An amount that may be zero, negative, or larger than any single movement."""

    amount_minor: int
    currency: str


class BalanceView(TypedDict):
    """What an account holds now. `available` is what is posted less what holds will take out;
    `overdraft_limit` may be spent beyond it (null: unlimited). `pending_incoming` cannot be spent
    before it is posted.
    """

    account_id: str
    available: Balance
    daily_limit: Balance | None
    daily_used: Balance
    overdraft_limit: Balance | None
    pending: Balance
    pending_incoming: Balance
    posted: Balance
    status: Literal["open", "frozen", "closed"]


class Batch(TypedDict):
    """What became of a batch, in the order of its transfers."""

    atomic: bool
    id: str
    results: list[BatchPart]


class BatchPart(TypedDict):
    """What became of one transfer of a batch."""

    detail: NotRequired[str | None]
    id: str
    reason_code: NotRequired[str | None]
    status: Literal["created", "exists", "refused"]
    transfer: NotRequired[Transfer | None]


class BatchRequest(TypedDict):
    """Several transfers in one request: all or none with `atomic`, else each for itself."""

    atomic: NotRequired[bool]
    transfers: list[TransferRequest]


CaseDecision: TypeAlias = "Literal['approve', 'decline']"


class CaseDecisionIn(TypedDict):
    """How a person settles a case."""

    decision: CaseDecision
    note: NotRequired[str]


class CaseNoteIn(TypedDict):
    """Something to write about a case."""

    note: str


class CaseNoteOut(TypedDict):
    """Something that somebody wrote about a case."""

    author: str
    id: str
    note: str
    written_at: str


CaseOrigin: TypeAlias = "Literal['rules', 'fraud_unavailable']"


class CaseOut(TypedDict):
    """A payment that waited, or waits, for a person."""

    amount: Money
    assessment_id: str
    assigned_at: str | None
    assignee: str | None
    decided_at: str | None
    decided_by: str | None
    destination_account_id: str
    features: dict[str, Any]
    id: str
    note: str | None
    opened_at: str
    origin: CaseOrigin
    payment_id: str
    proposal: ProposalOut | None
    reasons: list[str]
    ruleset_version: int
    score: int
    source_account_id: str
    status: CaseStatus


CaseStatus: TypeAlias = "Literal['open', 'approved', 'declined']"


class ClientCertificateOut(TypedDict):
    """What Bezant shows to receivers that ask for a client certificate: have yours trust it."""

    certificate: str
    expires_at: str
    fingerprint_sha256: str


class ConfirmationIn(TypedDict):
    """The code that was mailed to the address."""

    code: str


class ConsistencyProofOut(TypedDict):
    """That the later log starts with all of the earlier one (RFC 6962 §2.1.2)."""

    from_root_hash: str
    from_size: int
    proof: list[str]
    to_root_hash: str
    to_size: int


class ContextIn(TypedDict):
    """What the caller's product knows about the person paying; all optional."""

    country: NotRequired[str | None]
    device_id: NotRequired[str | None]
    email: NotRequired[str | None]
    ip: NotRequired[str | None]
    user_agent: NotRequired[str | None]


class ContextRequest(TypedDict):
    """What your product knows about the person paying; the fraud rules see it. Every field is optional."""

    country: NotRequired[str | None]
    device_id: NotRequired[str | None]
    email: NotRequired[str | None]
    ip: NotRequired[str | None]
    user_agent: NotRequired[str | None]


class CosignatureIn(TypedDict):
    """A witness's signature under a head."""

    cosignature: str
    tree_size: int


class CurrencyTotalView(TypedDict):
    """All accounts of a currency together: posted and pending are zero in books that balance."""

    credited: Balance
    currency: str
    pending: Balance
    posted: Balance


class CurrentSession(TypedDict):
    """Who is asking."""

    actor: str
    scopes: list[str]
    tenant_id: str | None


class CurrentTreeHeadOut(TypedDict):
    """The head of the log as it is now, with the key that verifies it."""

    checkpoint: str
    key_rotations: list[str]
    public_key: str
    root_hash: str
    signed_at: str
    tree_size: int


Decision: TypeAlias = "Literal['approve', 'review', 'decline']"


class DecisionChangeOut(TypedDict):
    """Payments that were decided in one way, and would be in another (or the same)."""

    now: Decision
    payments: list[TallyOut]
    then: Decision


class DeliveryDetailOut(TypedDict):
    """A delivery with what is sent and what was tried."""

    attempts: int
    body: str
    created_at: str
    delivered_at: str | None
    event_id: str
    event_type: str
    id: str
    last_attempt_at: str | None
    last_error: str | None
    last_status_code: int | None
    next_attempt_at: str | None
    sequence: int
    status: DeliveryStatus
    subject: str
    tried: list[AttemptOut]


class DeliveryOut(TypedDict):
    """How one message is doing. `id` is the `webhook-id` header, the same for every attempt."""

    attempts: int
    created_at: str
    delivered_at: str | None
    event_id: str
    event_type: str
    id: str
    last_attempt_at: str | None
    last_error: str | None
    last_status_code: int | None
    next_attempt_at: str | None
    sequence: int
    status: DeliveryStatus
    subject: str


DeliveryStatus: TypeAlias = "Literal['pending', 'delivered', 'dead', 'cancelled']"


class DescriptionRequest(TypedDict):
    """What to call an account; fields left out stay as they are."""

    metadata: NotRequired[dict[str, str] | None]
    name: NotRequired[str | None]


class DifferenceView(TypedDict):
    """A figure that is not what the rows say."""

    check: str
    expected: str | None
    field: str
    found: str | None
    id: str
    what: str


class DryRunIn(TypedDict):
    """A payment that is judged without being made."""

    amount: Money
    context: NotRequired[ContextIn]
    destination_account_id: str
    source_account_id: str


class EmailTemplateIn(TypedDict):
    """Your own words about one type of event. `${data.reference}` and the like are filled from the event."""

    body: str
    subject: str


class EmailTemplateList(TypedDict):
    """Every template of your own."""

    data: list[EmailTemplateOut]


class EmailTemplateOut(TypedDict):
    """A template of your own."""

    body: str
    event_type: str
    subject: str
    updated_at: str
    updated_by: str


class EndpointChangeIn(TypedDict):
    """What to change; parts that are left out stay as they are."""

    client_certificate: NotRequired[bool | None]
    description: NotRequired[str | None]
    event_filters: NotRequired[list[str] | None]
    signatures: NotRequired[list[SignatureScheme] | None]
    status: NotRequired[Literal["enabled", "disabled"] | None]
    url: NotRequired[str | None]


class EndpointIn(TypedDict):
    """A new endpoint."""

    client_certificate: NotRequired[bool]
    description: NotRequired[str]
    event_filters: NotRequired[list[str]]
    signatures: NotRequired[list[SignatureScheme]]
    url: str


class EndpointOut(TypedDict):
    """Where events are sent."""

    client_certificate: bool
    created_at: str
    description: str
    event_filters: list[str]
    failing_since: str | None
    id: str
    last_sequence: int
    paused_until: str | None
    previous_public_key: str | None
    previous_secret_expires_at: str | None
    public_key: str | None
    signatures: list[SignatureScheme]
    status: EndpointStatus
    status_reason: str | None
    updated_at: str
    url: str


EndpointStatus: TypeAlias = "Literal['enabled', 'disabled', 'deleted']"


class EntryOut(TypedDict):
    """One entry. SHA-256(0x00 || `leaf` in UTF-8) is `leaf_hash`."""

    actor: str
    entry_id: str
    leaf: str
    leaf_hash: str
    personal_values: list[PersonalValueOut]
    position: int
    recorded_at: str
    subject: str
    time: str
    topic: str
    type: str


class ErasureIn(TypedDict):
    """Whose personal values to erase."""

    account_ids: NotRequired[list[str]]
    subjects: NotRequired[list[str]]


class ErasureOut(TypedDict):
    """What was erased."""

    erased_values: int


class ExportAnswer(TypedDict):
    """What was exported of a tenant before its database was removed."""

    files: list[ExportedFileAnswer]
    keep_until: str
    made_at: str


class ExportedFileAnswer(TypedDict):
    """One file: gzipped JSON Lines, a table's rows."""

    bytes: int
    name: str
    rows: int
    sha256: str


class FourEyesPolicy(TypedDict):
    """What takes two people. Fraud cases have a setting of their own, `PUT /v1/fraud/settings`."""

    limit_raises: NotRequired[bool]
    people_only: NotRequired[bool]
    reversals: NotRequired[bool]


class FraudUnavailablePolicy(TypedDict):
    """What happens to a payment while the fraud service is down. While it is only slow, its score is
    waited for.
    """

    review_from_major: NotRequired[int]


class IdempotencyAnswer(TypedDict):
    """What became of the request with a key."""

    created_at: str
    key: str
    resource: Literal["accounts", "payments", "transfers"]
    resource_id: str
    response_body: dict[str, Any] | None
    response_status: int | None
    status: Literal["in_progress", "completed"]


class InclusionProofOut(TypedDict):
    """That an entry is in the log (RFC 6962 §2.1.1)."""

    entry_id: str
    leaf_hash: str
    position: int
    proof: list[str]
    root_hash: str
    tree_size: int


class JudgementOut(TypedDict):
    """How the rules judge a payment now."""

    decision: Decision
    degraded: bool
    reasons: list[str]
    ruleset_version: int
    score: int


class KeyRotationRequest(TypedDict):
    """How long the old key works beside the new one."""

    expires_at: NotRequired[str | None]
    overlap_seconds: NotRequired[int]


Kind: TypeAlias = "Literal['onboarding', 'rotation', 'offboarding']"


class LabelIn(TypedDict):
    """What a payment turned out to be."""

    label: PaymentLabel
    note: NotRequired[str]
    source: NotRequired[LabelSource]


class LabelOut(TypedDict):
    """What a payment turned out to be, by the last who said so."""

    label: PaymentLabel
    labelled_at: str
    labelled_by: str
    note: str
    source: LabelSource


LabelSource: TypeAlias = "Literal['review', 'chargeback', 'report', 'other']"


class LedgerCheckView(TypedDict):
    """The result of recomputing the ledger. `differences` names up to 100 of each kind of difference."""

    accounts: int
    checked_at: str
    consistent: bool
    difference_count: int
    differences: list[DifferenceView]
    entries: int
    open_holds: int
    totals: list[CurrencyTotalView]
    transfers: int


class LegRequest(TypedDict):
    """One line of a transfer with several legs."""

    account_id: str
    amount_minor: int
    direction: Literal["debit", "credit"]


class LegView(TypedDict):
    """One line of a transfer, in minor units of the transfer's currency."""

    account_id: str
    amount_minor: int
    direction: Literal["debit", "credit"]


class LimitsRequest(TypedDict):
    """New limits; fields left out stay as they are."""

    daily_limit_minor: NotRequired[int | None]
    overdraft_limit_minor: NotRequired[int | None]


class ListChangeIn(TypedDict):
    """Parties that join a list of the active rule set, and parties that leave it."""

    add: NotRequired[PartyListsIn]
    list: Literal["block", "allow"]
    note: NotRequired[str]
    remove: NotRequired[PartyListsIn]


class Money(TypedDict):
    """An amount to move: at least one minor unit, at most 2^53-1, in one currency."""

    amount_minor: int
    currency: str


class NewApiKeyAnswer(TypedDict):
    """A key with its secret, shown once."""

    api_key: str
    key_id: str


class NewEndpointOut(TypedDict):
    """A new endpoint with its secret, which is shown this once."""

    client_certificate: bool
    created_at: str
    description: str
    event_filters: list[str]
    failing_since: str | None
    id: str
    last_sequence: int
    paused_until: str | None
    previous_public_key: str | None
    previous_secret_expires_at: str | None
    public_key: str | None
    secret: str
    signatures: list[SignatureScheme]
    status: EndpointStatus
    status_reason: str | None
    updated_at: str
    url: str


class OperationAnswer(TypedDict):
    """Progress of an onboarding, a rotation or an offboarding."""

    duration_ms: int | None
    error: str | None
    finished_at: str | None
    id: str
    kind: str
    started_at: str
    status: Literal["running", "compensating", "succeeded", "failed"]
    steps: list[StepAnswer]


class OperatorAnswer(TypedDict):
    """A person who may sign in."""

    created_at: str
    created_by: str
    email: str
    has_signed_in: bool
    id: str
    last_sign_in_at: str | None
    role: Role
    tenant_id: str | None


class OperatorList(TypedDict):
    """All people of a tenant, or of the platform."""

    data: list[OperatorAnswer]


class OperatorRequest(TypedDict):
    """A person who may sign in."""

    email: str
    role: Role
    tenant_id: NotRequired[str | None]


class PageAccountView(TypedDict):
    """A page of AccountView."""

    data: list[AccountView]
    next_cursor: str | None


class PageActAnswer(TypedDict):
    """A page of ActAnswer."""

    data: list[ActAnswer]
    next_cursor: str | None


class PageApprovalView(TypedDict):
    """A page of ApprovalView."""

    data: list[ApprovalView]
    next_cursor: str | None


class PageCaseNoteOut(TypedDict):
    """A page of CaseNoteOut."""

    data: list[CaseNoteOut]
    next_cursor: str | None


class PageCaseOut(TypedDict):
    """A page of CaseOut."""

    data: list[CaseOut]
    next_cursor: str | None


class PageDeliveryOut(TypedDict):
    """A page of DeliveryOut."""

    data: list[DeliveryOut]
    next_cursor: str | None


class PageEndpointOut(TypedDict):
    """A page of EndpointOut."""

    data: list[EndpointOut]
    next_cursor: str | None


class PageEntryOut(TypedDict):
    """A page of EntryOut."""

    data: list[EntryOut]
    next_cursor: str | None


class PagePaymentAnswer(TypedDict):
    """A page of PaymentAnswer."""

    data: list[PaymentAnswer]
    next_cursor: str | None


class PageSubscriptionOut(TypedDict):
    """A page of SubscriptionOut."""

    data: list[SubscriptionOut]
    next_cursor: str | None


class PageTenantAnswer(TypedDict):
    """A page of TenantAnswer."""

    data: list[TenantAnswer]
    next_cursor: str | None


class PageTransfer(TypedDict):
    """A page of Transfer."""

    data: list[Transfer]
    next_cursor: str | None


class PartyListsIn(TypedDict):
    """Parties of payments, by what names them."""

    account_ids: NotRequired[list[str]]
    countries: NotRequired[list[str]]
    device_ids: NotRequired[list[str]]
    emails: NotRequired[list[str]]
    ips: NotRequired[list[str]]


class PaymentAnswer(TypedDict):
    """A payment."""

    amount: Balance
    capture: Literal["automatic", "manual"]
    captured: Balance
    created_at: str
    destination_account_id: str
    expires_at: str | None
    id: str
    metadata: dict[str, str]
    reason_code: str | None
    reference: str
    refunded: Balance
    risk: RiskAnswer
    source_account_id: str
    splits: list[SplitSchema]
    status: Literal["processing", "requires_review", "authorized", "captured", "partially_refunded", "refunded", "voided", "declined", "failed", "expired"]
    updated_at: str


class PaymentBatchAnswer(TypedDict):
    """One result for each payment, in order."""

    results: list[PaymentBatchResult]


class PaymentBatchItem(TypedDict):
    """One payment of a batch; `idempotency_key` is the batch's key and the position unless it is given."""

    amount: Money
    capture: NotRequired[Literal["automatic", "manual"]]
    context: NotRequired[ContextRequest]
    destination_account_id: str
    expires_in_seconds: NotRequired[int]
    idempotency_key: NotRequired[str | None]
    metadata: NotRequired[dict[str, str]]
    reference: NotRequired[str]
    source_account_id: str
    splits: NotRequired[list[SplitSchema]]


class PaymentBatchRequest(TypedDict):
    """Independent payments: each has its own outcome."""

    payments: list[PaymentBatchItem]


class PaymentBatchResult(TypedDict):
    """The outcome of one payment of a batch, as if it had been sent alone."""

    payment: NotRequired[PaymentAnswer | None]
    problem: NotRequired[dict[str, Any] | None]
    status: int


class PaymentCaptureRequest(TypedDict):
    """How much to capture; without an amount all of it. The rest of the hold is released."""

    amount_minor: NotRequired[int | None]
    reference: NotRequired[str]
    splits: NotRequired[list[SplitSchema] | None]


PaymentLabel: TypeAlias = "Literal['fraud', 'legitimate']"


class PaymentRequest(TypedDict):
    """A payment to be made."""

    amount: Money
    capture: NotRequired[Literal["automatic", "manual"]]
    context: NotRequired[ContextRequest]
    destination_account_id: str
    expires_in_seconds: NotRequired[int]
    metadata: NotRequired[dict[str, str]]
    reference: NotRequired[str]
    source_account_id: str
    splits: NotRequired[list[SplitSchema]]


class PaymentVoidRequest(TypedDict):
    """Why the payment is voided."""

    reference: NotRequired[str]


class PersonalValueOut(TypedDict):
    """A personal value that the leaf commits to: SHA-256(salt || RFC 8785 of the value)."""

    erased: bool
    pointer: str
    salt: NotRequired[str | None]
    value: NotRequired[Any]


class PoliciesRequest(TypedDict):
    """A tenant's choices and its rate limit."""

    policies: TenantPolicies
    rate_limit_per_second: NotRequired[int | None]


class PostRequest(TypedDict):
    """Post a pending transfer: all of it, an `amount` of it, or `legs` that say how a part is spread."""

    amount: NotRequired[Money | None]
    id: NotRequired[str | None]
    legs: NotRequired[list[LegRequest] | None]
    metadata: NotRequired[dict[str, str]]
    reference: NotRequired[str]


class Problem(TypedDict):
    """An error, after RFC 9457. `code` is stable; `detail` says what happened and what to do."""

    code: str
    detail: str
    errors: NotRequired[list[dict[str, Any]]]
    status: int
    title: str
    type: str


class ProposalOut(TypedDict):
    """A first person's decision, which a second person has to make too."""

    note: str
    proposed_at: str
    proposed_by: str
    status: CaseStatus


class ReceiptEntryOut(TypedDict):
    """One event of the payment, with its proof (RFC 6962 §2.1.1) under the receipt's head."""

    leaf: str
    personal_values: list[PersonalValueOut]
    position: int
    proof: list[str]


class ReceiptOut(TypedDict):
    """What a payment went through. It verifies offline, with the stand-alone verifier or any RFC 6962
    library.
    """

    checkpoint: str
    entries: list[ReceiptEntryOut]
    format: NotRequired[Literal["bezant-receipt/1"]]
    key_rotations: list[str]
    payment_id: str
    public_key: str
    root_hash: str
    tree_size: int


class RecountOut(TypedDict):
    """What was counted anew."""

    older_payments: int
    payments: int


class RefundAnswer(TypedDict):
    """A refund, and the payment after it."""

    amount: Balance
    created_at: str
    id: str
    payment: PaymentAnswer
    payment_id: str
    reason_code: str | None
    reference: str
    status: Literal["processing", "succeeded", "failed"]


class RefundList(TypedDict):
    """All refunds of a payment."""

    data: list[RefundAnswer]


class RefundRequest(TypedDict):
    """How much to refund; without an amount all that is left."""

    amount_minor: NotRequired[int | None]
    reference: NotRequired[str]


class RegistrationAnswer(TypedDict):
    """The answer to a registration. `api_key` is shown once."""

    api_key: str | None
    id: str
    onboarding: str
    slug: str
    status: str


class ReplayIn(TypedDict):
    """Which messages to send again: by id, from a sequence number on, by a range of sequence numbers or of
    time. `status` narrows it down, or chooses alone: `{"status": "dead"}` is every dead letter.
    """

    from_sequence: NotRequired[int | None]
    from_time: NotRequired[str | None]
    message_ids: NotRequired[list[str] | None]
    since_sequence: NotRequired[int | None]
    status: NotRequired[DeliveryStatus | None]
    to_sequence: NotRequired[int | None]
    to_time: NotRequired[str | None]


class ReplayOut(TypedDict):
    """How many messages are sent again."""

    next_sequence: int | None
    replayed: int


class RetentionIn(TypedDict):
    """How long personal values are kept."""

    personal_values_days: int | None


class RetentionOut(TypedDict):
    """How long personal values are kept, and who decided it."""

    changed_at: str | None
    changed_by: str | None
    personal_values_days: int | None


class ReverseRequest(TypedDict):
    """Post the mirror image of a transfer."""

    id: NotRequired[str | None]
    metadata: NotRequired[dict[str, str]]
    reference: NotRequired[str]


class ReviewSettingsIn(TypedDict):
    """What the tenant asks of reviews."""

    second_person: SecondPerson


class ReviewSettingsOut(TypedDict):
    """What the tenant asks of reviews, and who decided that."""

    changed_at: str | None
    changed_by: str | None
    second_person: SecondPerson


class RiskAnswer(TypedDict):
    """What the fraud checks said."""

    decision: Literal["approve", "review", "decline"] | None
    reasons: list[str]
    score: int | None
    scored: bool


Role: TypeAlias = "Literal['viewer', 'operator', 'risk', 'admin']"


class RotatedKeyAnswer(TypedDict):
    """The new key with its secret, shown once."""

    api_key: str
    key_id: str
    previous_expires_at: str


class RotationIn(TypedDict):
    """How long the old secret goes on signing beside the new one."""

    overlap_seconds: NotRequired[int]


class RotationOut(TypedDict):
    """The new secret, which is shown this once."""

    previous_secret_expires_at: str
    public_key: str | None
    secret: str


RuleAction: TypeAlias = "Literal['review', 'decline']"


class RuleHitsOut(TypedDict):
    """How one rule did."""

    fraud: int
    good: int
    matched: int
    reason: str
    unknown: int


class RuleIn(TypedDict):
    """A rule; `code` is the reason that a payment gets when it matches."""

    action: RuleAction
    code: str
    description: NotRequired[str]
    enabled: NotRequired[bool]
    expression: str
    score: NotRequired[int]


class RuleOut(TypedDict):
    """A rule as it is stored."""

    action: RuleAction
    code: str
    description: NotRequired[str]
    enabled: NotRequired[bool]
    expression: str
    score: NotRequired[int]


class RulesHistoryOut(TypedDict):
    """The history, newest first."""

    data: list[RulesVersionOut]
    next_before: int | None


class RulesIn(TypedDict):
    """A rule set that is to judge."""

    allow_lists: NotRequired[PartyListsIn]
    based_on_version: NotRequired[int | None]
    block_lists: NotRequired[PartyListsIn]
    mode: NotRequired[Literal["active", "shadow"]]
    note: NotRequired[str]
    rules: NotRequired[list[RuleIn] | None]
    thresholds: NotRequired[dict[str, float]]
    thresholds_by_currency: NotRequired[dict[str, dict[str, float]]]


class RulesOut(TypedDict):
    """A rule set."""

    allow_lists: PartyListsIn
    block_lists: PartyListsIn
    created_at: str | None
    created_by: str | None
    mode: str
    note: str
    rules: list[RuleOut]
    threshold_descriptions: dict[str, str]
    thresholds: dict[str, float]
    thresholds_by_currency: dict[str, dict[str, float]]
    variables: dict[str, VariableOut]
    version: int


class RulesVersionOut(TypedDict):
    """One line of the history."""

    created_at: str | None
    created_by: str | None
    mode: str
    note: str
    version: int


SecondPerson: TypeAlias = "Literal['never', 'approvals', 'always']"


class SessionAnswer(TypedDict):
    """A session. `token` is sent like an API key and shown this once."""

    email: str
    expires_at: str
    operator_id: str
    role: Role
    scopes: list[str]
    tenant_id: str | None
    token: str


class ShadowOut(TypedDict):
    """The rule set in shadow, and how it did so far."""

    agreement: list[AgreementOut]
    matched: dict[str, int]
    rules: RulesOut


class SignInAnswer(TypedDict):
    """Send the person to `authorization_url` and keep the rest."""

    authorization_url: str
    expires_at: str
    id: str
    secret: str


class SignInCompletion(TypedDict):
    """What came back to the redirect address, with what the beginning answered."""

    code: str
    id: str
    secret: str
    state: str


class SignInRequest(TypedDict):
    """Where the identity provider is to send the person afterwards, and which tenant the session is for."""

    redirect_uri: str
    tenant: NotRequired[str | None]


SignatureScheme: TypeAlias = "Literal['v1', 'v1a']"


class SigningKeysOut(TypedDict):
    """The key that signs heads now, and the notes by which each earlier key handed over to the next."""

    key_rotations: list[str]
    public_key: str


class SplitSchema(TypedDict):
    """A part of the amount for another account than the destination: a fee, a partner's share."""

    account_id: str
    amount_minor: int


class StatementLine(TypedDict):
    """One posted entry; a debit takes money out, a credit brings it in."""

    amount: Balance
    balance_after: Balance
    created_at: str
    direction: Literal["debit", "credit"]
    kind: Literal["transfer", "pending", "post", "void", "expire", "reversal"]
    reference: str
    transfer_id: str


class StatementView(TypedDict):
    """A page of a statement, oldest entry first. `opening_balance` and `closing_balance` are those of the
    whole period; `page_opening_balance` is the balance before the first entry of this page.
    """

    account_id: str
    closing_balance: Balance
    entries: list[StatementLine]
    next_cursor: str | None
    opening_balance: Balance
    page_opening_balance: Balance


Status: TypeAlias = "Literal['processing', 'requires_review', 'authorized', 'captured', 'partially_refunded', 'refunded', 'voided', 'declined', 'failed', 'expired']"


class StepAnswer(TypedDict):
    """One step of an operation."""

    attempts: int
    error: str | None
    finished_at: str | None
    name: str
    progress: str | None
    started_at: str | None
    status: Literal["pending", "running", "done", "failed", "compensated"]


class SubscriptionChangeIn(TypedDict):
    """What to change; parts that are left out stay as they are."""

    description: NotRequired[str | None]
    event_filters: NotRequired[list[str] | None]
    status: NotRequired[Literal["enabled", "disabled"] | None]


class SubscriptionIn(TypedDict):
    """An address and what it is to be told."""

    address: str
    description: NotRequired[str]
    event_filters: NotRequired[list[str]]


class SubscriptionOut(TypedDict):
    """An address and what it is told; disabled until its owner has confirmed it."""

    address: str
    created_at: str
    description: str
    event_filters: list[str]
    failing_since: str | None
    id: str
    last_sequence: int
    paused_until: str | None
    status: EndpointStatus
    status_reason: str | None
    updated_at: str


class TallyOut(TypedDict):
    """A number of payments and their sum, in one currency."""

    amount: Money
    count: int


class TenantAnswer(TypedDict):
    """A tenant."""

    activated_at: str | None
    created_at: str
    default_currency: str
    id: str
    name: str
    policies: TenantPolicies
    rate_limit_per_second: int
    slug: str
    status: Literal["onboarding", "active", "suspended", "closing", "closed", "failed"]
    tier: str


class TenantPolicies(TypedDict):
    """A tenant's own choices."""

    four_eyes: NotRequired[FourEyesPolicy]
    fraud_unavailable: NotRequired[FraudUnavailablePolicy]


class TenantRequest(TypedDict):
    """A tenant to be registered."""

    default_currency: NotRequired[str]
    name: str
    policies: NotRequired[TenantPolicies]
    rate_limit_per_second: NotRequired[int]
    slug: str
    tier: NotRequired[Literal["shared", "dedicated"]]


class TestEventOut(TypedDict):
    """The test message that is on its way."""

    id: str
    sequence: int


class Transfer(TypedDict):
    """A transfer. `status` is `pending`, `posted`, `voided` or `expired` for a hold as it is now,
    `reversed` for what has been reversed, and else what the transfer did: `posted`, `voided` or
    `expired` the hold `pending_id`.
    """

    amount: Balance
    batch_id: NotRequired[str | None]
    created_at: str
    credit_account_id: NotRequired[str | None]
    debit_account_id: NotRequired[str | None]
    expires_at: NotRequired[str | None]
    id: str
    kind: Literal["transfer", "pending", "post", "void", "expire", "reversal"]
    legs: list[LegView]
    metadata: dict[str, str]
    origin: Literal["ledger", "payment"]
    pending_id: NotRequired[str | None]
    posted_amount: NotRequired[Balance | None]
    reference: str
    resolved_by: NotRequired[str | None]
    reversed_by: NotRequired[str | None]
    reverses_id: NotRequired[str | None]
    status: Literal["pending", "posted", "voided", "expired", "reversed"]


class TransferRequest(TypedDict):
    """A transfer: either `debit_account_id`, `credit_account_id` and `amount`, or `currency` and `legs`."""

    amount: NotRequired[Money | None]
    credit_account_id: NotRequired[str | None]
    currency: NotRequired[str | None]
    debit_account_id: NotRequired[str | None]
    expires_at: NotRequired[str | None]
    id: NotRequired[str | None]
    legs: NotRequired[list[LegRequest] | None]
    metadata: NotRequired[dict[str, str]]
    pending: NotRequired[bool]
    reference: NotRequired[str]


class TreeHeadOut(TypedDict):
    """A signed tree head; keep `checkpoint` to prove later that nothing before it was changed."""

    checkpoint: str
    root_hash: str
    signed_at: str
    tree_size: int


class TreeHeadsOut(TypedDict):
    """Signed heads, newest first."""

    data: list[TreeHeadOut]
    next_before: int | None


class VariableOut(TypedDict):
    """Something that a rule can look at."""

    description: str
    needs_velocity: bool
    type: str


class VoidRequest(TypedDict):
    """Release a pending transfer."""

    id: NotRequired[str | None]
    metadata: NotRequired[dict[str, str]]
    reference: NotRequired[str]


class WitnessIn(TypedDict):
    """A witness to be added."""

    verifier_key: str


class WitnessOut(TypedDict):
    """Somebody outside who may co-sign the log's heads."""

    added_at: str
    added_by: str
    name: str
    verifier_key: str


class WitnessesOut(TypedDict):
    """All witnesses of the log."""

    data: list[WitnessOut]
