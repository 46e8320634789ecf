"""The operations, asynchronously.

Made from the OpenAPI document by `bezant contracts write`; do not edit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, cast
from uuid import UUID

from bezant.client.generated import models
from bezant.client.requests import AsyncRequests, path_of


class Accounts:
    """Operations below `/v1/accounts`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, type_: Literal["customer", "merchant", "settlement", "fee"] | None = None, status: Literal["open", "frozen", "closed"] | None = None, currency: str | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageAccountView:
        """List accounts, latest first."""
        return cast("models.PageAccountView", await self._requests.send("GET", "/v1/accounts", query={"type": type_, "status": status, "currency": currency, "limit": limit, "cursor": cursor}))

    def iterate(self, *, type_: Literal["customer", "merchant", "settlement", "fee"] | None = None, status: Literal["open", "frozen", "closed"] | None = None, currency: str | None = None, limit: int | None = None) -> AsyncIterator[models.AccountView]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.AccountView]", self._requests.pages("/v1/accounts", query={"type": type_, "status": status, "currency": currency, "limit": limit}))

    async def create(self, body: models.AccountRequest, *, idempotency_key: str | None = None) -> models.AccountView:
        """Open an account. When it is answered, the account can be paid."""
        return cast("models.AccountView", await self._requests.send("POST", "/v1/accounts", body=body, idempotency_key=idempotency_key))

    async def get(self, account_id: UUID | str) -> models.AccountView:
        """Return one account."""
        return cast("models.AccountView", await self._requests.send("GET", path_of("/v1/accounts/{account_id}", account_id=account_id)))

    async def update(self, account_id: UUID | str, body: models.DescriptionRequest) -> models.AccountView:
        """Change an account's name or metadata."""
        return cast("models.AccountView", await self._requests.send("PATCH", path_of("/v1/accounts/{account_id}", account_id=account_id), body=body))

    async def get_balance(self, account_id: UUID | str) -> models.BalanceView:
        """Return what the account holds now."""
        return cast("models.BalanceView", await self._requests.send("GET", path_of("/v1/accounts/{account_id}/balance", account_id=account_id)))

    async def close(self, account_id: UUID | str, *, idempotency_key: str | None = None) -> models.AccountView:
        """Close for ever; refused while the account has a balance or open holds."""
        return cast("models.AccountView", await self._requests.send("POST", path_of("/v1/accounts/{account_id}/close", account_id=account_id), idempotency_key=idempotency_key))

    async def freeze(self, account_id: UUID | str, *, idempotency_key: str | None = None) -> models.AccountView:
        """Freeze: nothing more is debited or credited, and holds are not captured, until it is unfrozen.
        Holds may be voided and expire, and refunds and reversals may still bring money in.
        """
        return cast("models.AccountView", await self._requests.send("POST", path_of("/v1/accounts/{account_id}/freeze", account_id=account_id), idempotency_key=idempotency_key))

    async def update_limits(self, account_id: UUID | str, body: models.LimitsRequest) -> models.AccountView:
        """Change the overdraft limit, the daily limit, or both. When it is answered, they are enforced."""
        return cast("models.AccountView", await self._requests.send("PATCH", path_of("/v1/accounts/{account_id}/limits", account_id=account_id), body=body))

    async def get_statement(self, account_id: UUID | str, *, from_: str | None = None, to: str | None = None, limit: int | None = None, cursor: str | None = None) -> models.StatementView:
        """Return a page of what was posted to the account, oldest first."""
        return cast("models.StatementView", await self._requests.send("GET", path_of("/v1/accounts/{account_id}/statement", account_id=account_id), query={"from": from_, "to": to, "limit": limit, "cursor": cursor}))

    async def unfreeze(self, account_id: UUID | str, *, idempotency_key: str | None = None) -> models.AccountView:
        """Lift a freeze."""
        return cast("models.AccountView", await self._requests.send("POST", path_of("/v1/accounts/{account_id}/unfreeze", account_id=account_id), idempotency_key=idempotency_key))


class AdministrativeActs:
    """Operations below `/v1/administrative-acts`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, tenant_id: str | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageActAnswer:
        """List what administrators did, latest first. What concerns a tenant stands in its audit log as
        well.
        """
        return cast("models.PageActAnswer", await self._requests.send("GET", "/v1/administrative-acts", query={"tenant_id": tenant_id, "limit": limit, "cursor": cursor}))

    def iterate(self, *, tenant_id: str | None = None, limit: int | None = None) -> AsyncIterator[models.ActAnswer]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.ActAnswer]", self._requests.pages("/v1/administrative-acts", query={"tenant_id": tenant_id, "limit": limit}))


class ApiKeys:
    """Operations below `/v1/api-keys`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, tenant_id: str | None = None) -> models.ApiKeyList:
        """List a tenant's keys, revoked ones too."""
        return cast("models.ApiKeyList", await self._requests.send("GET", "/v1/api-keys", query={"tenant_id": tenant_id}))

    async def create(self, body: models.ApiKeyRequest, *, idempotency_key: str | None = None) -> models.NewApiKeyAnswer:
        """Make an API key. The key is in the answer and nowhere else."""
        return cast("models.NewApiKeyAnswer", await self._requests.send("POST", "/v1/api-keys", body=body, idempotency_key=idempotency_key))

    async def delete(self, key_id: UUID | str) -> None:
        """Revoke a key. It stops working on every instance within 30 seconds."""
        await self._requests.send("DELETE", path_of("/v1/api-keys/{key_id}", key_id=key_id))

    async def rotate(self, key_id: UUID | str, body: models.KeyRotationRequest | None = None, *, idempotency_key: str | None = None) -> models.RotatedKeyAnswer:
        """Make a key with the same name and scopes. The old one goes on working until the overlap is over."""
        return cast("models.RotatedKeyAnswer", await self._requests.send("POST", path_of("/v1/api-keys/{key_id}/rotate", key_id=key_id), body=body, idempotency_key=idempotency_key))


class Approvals:
    """Operations below `/v1/approvals`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, status: models.ApprovalStatus | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageApprovalView:
        """List what was asked for, latest first."""
        return cast("models.PageApprovalView", await self._requests.send("GET", "/v1/approvals", query={"status": status, "limit": limit, "cursor": cursor}))

    def iterate(self, *, status: models.ApprovalStatus | None = None, limit: int | None = None) -> AsyncIterator[models.ApprovalView]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.ApprovalView]", self._requests.pages("/v1/approvals", query={"status": status, "limit": limit}))

    async def get(self, approval_id: UUID | str) -> models.ApprovalView:
        """Return one approval."""
        return cast("models.ApprovalView", await self._requests.send("GET", path_of("/v1/approvals/{approval_id}", approval_id=approval_id)))

    async def approve(self, approval_id: UUID | str, body: models.ApprovalNote | None = None, *, idempotency_key: str | None = None) -> models.ApprovalView:
        """Approve what somebody else asked for. It is done within seconds, once."""
        return cast("models.ApprovalView", await self._requests.send("POST", path_of("/v1/approvals/{approval_id}/approve", approval_id=approval_id), body=body, idempotency_key=idempotency_key))

    async def reject(self, approval_id: UUID | str, body: models.ApprovalNote | None = None, *, idempotency_key: str | None = None) -> models.ApprovalView:
        """Reject what somebody else asked for."""
        return cast("models.ApprovalView", await self._requests.send("POST", path_of("/v1/approvals/{approval_id}/reject", approval_id=approval_id), body=body, idempotency_key=idempotency_key))

    async def withdraw(self, approval_id: UUID | str, body: models.ApprovalNote | None = None, *, idempotency_key: str | None = None) -> models.ApprovalView:
        """Withdraw what you asked for yourself."""
        return cast("models.ApprovalView", await self._requests.send("POST", path_of("/v1/approvals/{approval_id}/withdraw", approval_id=approval_id), body=body, idempotency_key=idempotency_key))


class Audit:
    """Operations below `/v1/audit`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def create_cosignature(self, body: models.CosignatureIn, *, idempotency_key: str | None = None) -> models.TreeHeadOut:
        """A key that may read is enough: what counts is the signature of a witness that was added."""
        return cast("models.TreeHeadOut", await self._requests.send("POST", "/v1/audit/cosignatures", body=body, idempotency_key=idempotency_key))

    async def list_entries(self, *, limit: int | None = None, cursor: str | None = None, type_: str | None = None, subject: str | None = None, actor: str | None = None, occurred_from: str | None = None, occurred_before: str | None = None) -> models.PageEntryOut:
        """List entries, oldest first"""
        return cast("models.PageEntryOut", await self._requests.send("GET", "/v1/audit/entries", query={"limit": limit, "cursor": cursor, "type": type_, "subject": subject, "actor": actor, "occurred_from": occurred_from, "occurred_before": occurred_before}))

    def iterate_entries(self, *, limit: int | None = None, type_: str | None = None, subject: str | None = None, actor: str | None = None, occurred_from: str | None = None, occurred_before: str | None = None) -> AsyncIterator[models.EntryOut]:
        """Yield every item of `list_entries`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.EntryOut]", self._requests.pages("/v1/audit/entries", query={"limit": limit, "type": type_, "subject": subject, "actor": actor, "occurred_from": occurred_from, "occurred_before": occurred_before}))

    async def get_entry(self, entry_id: UUID | str) -> models.EntryOut:
        """One entry"""
        return cast("models.EntryOut", await self._requests.send("GET", path_of("/v1/audit/entries/{entry_id}", entry_id=entry_id)))

    async def create_erasure(self, body: models.ErasureIn, *, idempotency_key: str | None = None) -> models.ErasureOut:
        """Values and salts are deleted; leaves, and so every proof, stay as they are. The log says who did
        it.
        """
        return cast("models.ErasureOut", await self._requests.send("POST", "/v1/audit/erasures", body=body, idempotency_key=idempotency_key))

    async def get_export(self, *, from_: int | None = None, limit: int | None = None, disclose: bool | None = None) -> bytes:
        """Each part verifies by itself; parts that follow each other may stand in one file."""
        return await self._requests.download("GET", "/v1/audit/export", query={"from": from_, "limit": limit, "disclose": disclose})

    async def get_keys(self) -> models.SigningKeysOut:
        """The key that signs heads, and its rotations"""
        return cast("models.SigningKeysOut", await self._requests.send("GET", "/v1/audit/keys"))

    async def get_proofs_consistency(self, from_: int, *, to: int | None = None) -> models.ConsistencyProofOut:
        """That the log extends an earlier one"""
        return cast("models.ConsistencyProofOut", await self._requests.send("GET", "/v1/audit/proofs/consistency", query={"from": from_, "to": to}))

    async def get_proofs_inclusion(self, entry_id: str, *, tree_size: int | None = None) -> models.InclusionProofOut:
        """That an entry is in the log"""
        return cast("models.InclusionProofOut", await self._requests.send("GET", "/v1/audit/proofs/inclusion", query={"entry_id": entry_id, "tree_size": tree_size}))

    async def get_retention(self) -> models.RetentionOut:
        """How long personal values are kept"""
        return cast("models.RetentionOut", await self._requests.send("GET", "/v1/audit/retention"))

    async def replace_retention(self, body: models.RetentionIn) -> models.RetentionOut:
        """Older values are erased from the log's side tables within minutes, and from then on as they age."""
        return cast("models.RetentionOut", await self._requests.send("PUT", "/v1/audit/retention", body=body))

    async def get_tree_head(self) -> models.CurrentTreeHeadOut:
        """The signed head of the log as it is now"""
        return cast("models.CurrentTreeHeadOut", await self._requests.send("GET", "/v1/audit/tree-head"))

    async def list_tree_heads(self, *, limit: int | None = None, before: int | None = None) -> models.TreeHeadsOut:
        """Heads signed so far, newest first"""
        return cast("models.TreeHeadsOut", await self._requests.send("GET", "/v1/audit/tree-heads", query={"limit": limit, "before": before}))

    async def list_witnesses(self) -> models.WitnessesOut:
        """Who may co-sign the log's heads"""
        return cast("models.WitnessesOut", await self._requests.send("GET", "/v1/audit/witnesses"))

    async def create_witness(self, body: models.WitnessIn, *, idempotency_key: str | None = None) -> models.WitnessOut:
        """Add a witness"""
        return cast("models.WitnessOut", await self._requests.send("POST", "/v1/audit/witnesses", body=body, idempotency_key=idempotency_key))

    async def delete_witness(self, name: UUID | str) -> None:
        """What it has co-signed stays under the heads."""
        await self._requests.send("DELETE", path_of("/v1/audit/witnesses/{name}", name=name))


class EmailSubscriptions:
    """Operations below `/v1/email-subscriptions`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> models.PageSubscriptionOut:
        """List subscriptions, oldest first"""
        return cast("models.PageSubscriptionOut", await self._requests.send("GET", "/v1/email-subscriptions", query={"limit": limit, "cursor": cursor}))

    def iterate(self, *, limit: int | None = None) -> AsyncIterator[models.SubscriptionOut]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.SubscriptionOut]", self._requests.pages("/v1/email-subscriptions", query={"limit": limit}))

    async def create(self, body: models.SubscriptionIn, *, idempotency_key: str | None = None) -> models.SubscriptionOut:
        """A code is mailed to the address; nothing else is until it was confirmed with that."""
        return cast("models.SubscriptionOut", await self._requests.send("POST", "/v1/email-subscriptions", body=body, idempotency_key=idempotency_key))

    async def delete(self, endpoint_id: UUID | str) -> None:
        """What was not mailed yet is cancelled."""
        await self._requests.send("DELETE", path_of("/v1/email-subscriptions/{endpoint_id}", endpoint_id=endpoint_id))

    async def get(self, endpoint_id: UUID | str) -> models.SubscriptionOut:
        """One subscription"""
        return cast("models.SubscriptionOut", await self._requests.send("GET", path_of("/v1/email-subscriptions/{endpoint_id}", endpoint_id=endpoint_id)))

    async def update(self, endpoint_id: UUID | str, body: models.SubscriptionChangeIn) -> models.SubscriptionOut:
        """What waits while a subscription is disabled is mailed when it is enabled again."""
        return cast("models.SubscriptionOut", await self._requests.send("PATCH", path_of("/v1/email-subscriptions/{endpoint_id}", endpoint_id=endpoint_id), body=body))

    async def confirm(self, endpoint_id: UUID | str, body: models.ConfirmationIn, *, idempotency_key: str | None = None) -> models.SubscriptionOut:
        """Confirm an address with the code that was mailed to it"""
        return cast("models.SubscriptionOut", await self._requests.send("POST", path_of("/v1/email-subscriptions/{endpoint_id}/confirm", endpoint_id=endpoint_id), body=body, idempotency_key=idempotency_key))

    async def list_deliveries(self, endpoint_id: UUID | str, *, status: models.DeliveryStatus | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageDeliveryOut:
        """List an endpoint's deliveries, newest first"""
        return cast("models.PageDeliveryOut", await self._requests.send("GET", path_of("/v1/email-subscriptions/{endpoint_id}/deliveries", endpoint_id=endpoint_id), query={"status": status, "limit": limit, "cursor": cursor}))

    def iterate_deliveries(self, endpoint_id: UUID | str, *, status: models.DeliveryStatus | None = None, limit: int | None = None) -> AsyncIterator[models.DeliveryOut]:
        """Yield every item of `list_deliveries`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.DeliveryOut]", self._requests.pages(path_of("/v1/email-subscriptions/{endpoint_id}/deliveries", endpoint_id=endpoint_id), query={"status": status, "limit": limit}))

    async def get_delivery(self, endpoint_id: UUID | str, message_id: UUID | str) -> models.DeliveryDetailOut:
        """One delivery with its attempts"""
        return cast("models.DeliveryDetailOut", await self._requests.send("GET", path_of("/v1/email-subscriptions/{endpoint_id}/deliveries/{message_id}", endpoint_id=endpoint_id, message_id=message_id)))

    async def replay(self, endpoint_id: UUID | str, body: models.ReplayIn, *, idempotency_key: str | None = None) -> models.ReplayOut:
        """They keep their ids and sequence numbers, so that a receiver can tell what it knows already."""
        return cast("models.ReplayOut", await self._requests.send("POST", path_of("/v1/email-subscriptions/{endpoint_id}/replay", endpoint_id=endpoint_id), body=body, idempotency_key=idempotency_key))

    async def send_code(self, endpoint_id: UUID | str, *, idempotency_key: str | None = None) -> Any:
        """The code before it is void."""
        return cast("Any", await self._requests.send("POST", path_of("/v1/email-subscriptions/{endpoint_id}/send-code", endpoint_id=endpoint_id), idempotency_key=idempotency_key))

    async def test(self, endpoint_id: UUID | str, *, idempotency_key: str | None = None) -> models.TestEventOut:
        """Sent whatever the endpoint's filters are; GET its delivery to see how it went."""
        return cast("models.TestEventOut", await self._requests.send("POST", path_of("/v1/email-subscriptions/{endpoint_id}/test", endpoint_id=endpoint_id), idempotency_key=idempotency_key))


class EmailTemplates:
    """Operations below `/v1/email-templates`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self) -> models.EmailTemplateList:
        """List your own templates"""
        return cast("models.EmailTemplateList", await self._requests.send("GET", "/v1/email-templates"))

    async def delete(self, event_type: UUID | str) -> None:
        """Go back to Bezant's own words"""
        await self._requests.send("DELETE", path_of("/v1/email-templates/{event_type}", event_type=event_type))

    async def replace(self, event_type: UUID | str, body: models.EmailTemplateIn) -> models.EmailTemplateOut:
        """`${data.reference}` and the like are filled from the event; other places are refused."""
        return cast("models.EmailTemplateOut", await self._requests.send("PUT", path_of("/v1/email-templates/{event_type}", event_type=event_type), body=body))


class Fraud:
    """Operations below `/v1/fraud`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def create_assessment(self, body: models.DryRunIn, *, idempotency_key: str | None = None) -> models.JudgementOut:
        """A dry run: it counts nothing towards velocity and stores nothing."""
        return cast("models.JudgementOut", await self._requests.send("POST", "/v1/fraud/assessments", body=body, idempotency_key=idempotency_key))

    async def get_assessment(self, payment_id: UUID | str) -> models.AssessmentOut:
        """How a payment was judged"""
        return cast("models.AssessmentOut", await self._requests.send("GET", path_of("/v1/fraud/assessments/{payment_id}", payment_id=payment_id)))

    async def list_cases(self, *, limit: int | None = None, cursor: str | None = None, status: models.CaseStatus | None = None, assignee: str | None = None, payment_id: str | None = None) -> models.PageCaseOut:
        """List cases, oldest first"""
        return cast("models.PageCaseOut", await self._requests.send("GET", "/v1/fraud/cases", query={"limit": limit, "cursor": cursor, "status": status, "assignee": assignee, "payment_id": payment_id}))

    def iterate_cases(self, *, limit: int | None = None, status: models.CaseStatus | None = None, assignee: str | None = None, payment_id: str | None = None) -> AsyncIterator[models.CaseOut]:
        """Yield every item of `list_cases`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.CaseOut]", self._requests.pages("/v1/fraud/cases", query={"limit": limit, "status": status, "assignee": assignee, "payment_id": payment_id}))

    async def create_cases_claim(self, *, idempotency_key: str | None = None) -> models.CaseOut:
        """The highest score first, the oldest among equals; two people never get the same case."""
        return cast("models.CaseOut", await self._requests.send("POST", "/v1/fraud/cases/claim", idempotency_key=idempotency_key))

    async def get_case(self, case_id: UUID | str) -> models.CaseOut:
        """One case"""
        return cast("models.CaseOut", await self._requests.send("GET", path_of("/v1/fraud/cases/{case_id}", case_id=case_id)))

    async def replace_case_assignee(self, case_id: UUID | str, body: models.AssignmentIn) -> models.CaseOut:
        """Give a case to somebody, or back to the queue"""
        return cast("models.CaseOut", await self._requests.send("PUT", path_of("/v1/fraud/cases/{case_id}/assignee", case_id=case_id), body=body))

    async def case_decision(self, case_id: UUID | str, body: models.CaseDecisionIn, *, idempotency_key: str | None = None) -> models.CaseOut:
        """The payment is captured, authorized or released within moments; a case is decided once (409
        after). Where the tenant asks for a second person the case stays open with a `proposal`, until
        somebody else (another key or person) sends the same decision; 403 for the first person again.
        """
        return cast("models.CaseOut", await self._requests.send("POST", path_of("/v1/fraud/cases/{case_id}/decision", case_id=case_id), body=body, idempotency_key=idempotency_key))

    async def list_case_notes(self, case_id: UUID | str, *, limit: int | None = None, cursor: str | None = None) -> models.PageCaseNoteOut:
        """The notes about a case, oldest first"""
        return cast("models.PageCaseNoteOut", await self._requests.send("GET", path_of("/v1/fraud/cases/{case_id}/notes", case_id=case_id), query={"limit": limit, "cursor": cursor}))

    def iterate_case_notes(self, case_id: UUID | str, *, limit: int | None = None) -> AsyncIterator[models.CaseNoteOut]:
        """Yield every item of `list_case_notes`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.CaseNoteOut]", self._requests.pages(path_of("/v1/fraud/cases/{case_id}/notes", case_id=case_id), query={"limit": limit}))

    async def case_notes(self, case_id: UUID | str, body: models.CaseNoteIn, *, idempotency_key: str | None = None) -> models.CaseNoteOut:
        """Write a note"""
        return cast("models.CaseNoteOut", await self._requests.send("POST", path_of("/v1/fraud/cases/{case_id}/notes", case_id=case_id), body=body, idempotency_key=idempotency_key))

    async def get_label(self, payment_id: UUID | str) -> models.LabelOut:
        """What a payment turned out to be"""
        return cast("models.LabelOut", await self._requests.send("GET", path_of("/v1/fraud/labels/{payment_id}", payment_id=payment_id)))

    async def replace_label(self, payment_id: UUID | str, body: models.LabelIn) -> models.LabelOut:
        """Backtests and models are measured against labels. The last one counts; the audit log has them
        all.
        """
        return cast("models.LabelOut", await self._requests.send("PUT", path_of("/v1/fraud/labels/{payment_id}", payment_id=payment_id), body=body))

    async def create_list(self, body: models.ListChangeIn, *, idempotency_key: str | None = None) -> models.RulesOut:
        """The rest of the rule set stays; the change is a version of its own."""
        return cast("models.RulesOut", await self._requests.send("POST", "/v1/fraud/lists", body=body, idempotency_key=idempotency_key))

    async def get_rules(self) -> models.RulesOut:
        """The rule set that judges now"""
        return cast("models.RulesOut", await self._requests.send("GET", "/v1/fraud/rules"))

    async def replace_rules(self, body: models.RulesIn) -> models.RulesOut:
        """The rule set is compiled and tried on sample payments first; a bad rule is named and changes
        nothing.
        """
        return cast("models.RulesOut", await self._requests.send("PUT", "/v1/fraud/rules", body=body))

    async def create_rules_backtest(self, body: models.BacktestIn, *, idempotency_key: str | None = None) -> models.BacktestOut:
        """The tenant's own payments are judged again by what the rules saw then; nothing is stored or
        changed.
        """
        return cast("models.BacktestOut", await self._requests.send("POST", "/v1/fraud/rules/backtest", body=body, idempotency_key=idempotency_key))

    async def delete_rules_shadow(self) -> None:
        """End the shadow"""
        await self._requests.send("DELETE", "/v1/fraud/rules/shadow")

    async def get_rules_shadow(self) -> models.ShadowOut:
        """The rule set in shadow, and how it did so far"""
        return cast("models.ShadowOut", await self._requests.send("GET", "/v1/fraud/rules/shadow"))

    async def list_rules_versions(self, *, limit: int | None = None, before: int | None = None) -> models.RulesHistoryOut:
        """The history of rule sets, newest first"""
        return cast("models.RulesHistoryOut", await self._requests.send("GET", "/v1/fraud/rules/versions", query={"limit": limit, "before": before}))

    async def get_rules_version(self, version: UUID | str) -> models.RulesOut:
        """One rule set of the history"""
        return cast("models.RulesOut", await self._requests.send("GET", path_of("/v1/fraud/rules/versions/{version}", version=version)))

    async def rules_version_activate(self, version: UUID | str, body: models.ActivationIn, *, idempotency_key: str | None = None) -> models.RulesOut:
        """It becomes a new version with the same content. One that was in shadow ends its shadow by this."""
        return cast("models.RulesOut", await self._requests.send("POST", path_of("/v1/fraud/rules/versions/{version}/activate", version=version), body=body, idempotency_key=idempotency_key))

    async def get_settings(self) -> models.ReviewSettingsOut:
        """What the tenant asks of reviews"""
        return cast("models.ReviewSettingsOut", await self._requests.send("GET", "/v1/fraud/settings"))

    async def replace_settings(self, body: models.ReviewSettingsIn) -> models.ReviewSettingsOut:
        """It needs the scope `keys:write`: who decides cases cannot switch the second person off."""
        return cast("models.ReviewSettingsOut", await self._requests.send("PUT", "/v1/fraud/settings", body=body))

    async def create_velocity_recount(self, *, idempotency_key: str | None = None) -> models.RecountOut:
        """It happens by itself when the counters were lost; this is for counters that are in doubt.
        Payments that are judged meanwhile are marked `degraded`, with the reason `velocity_incomplete`.
        """
        return cast("models.RecountOut", await self._requests.send("POST", "/v1/fraud/velocity/recount", idempotency_key=idempotency_key))


class Idempotency:
    """Operations below `/v1/idempotency`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def find(self, key: str) -> models.IdempotencyAnswer:
        """Return what became of the request with this Idempotency-Key. One key names one request of the
        tenant, to whichever path it was sent. An item of a batch without a key of its own has the
        batch's key, a slash and the item's position: `b1/0`. The records are kept for seven days.
        """
        return cast("models.IdempotencyAnswer", await self._requests.send("GET", "/v1/idempotency", query={"key": key}))

    async def get(self, key: str) -> models.IdempotencyAnswer:
        """Return what became of the request with this Idempotency-Key. One key names one request of the
        tenant, to whichever path it was sent. An item of a batch without a key of its own has the
        batch's key, a slash and the item's position: `b1/0`. The records are kept for seven days.
        """
        return cast("models.IdempotencyAnswer", await self._requests.send("GET", "/v1/idempotency", query={"key": key}))


class Ledger:
    """Operations below `/v1/ledger`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def get_check(self) -> models.LedgerCheckView:
        """Recompute every balance, hold and transfer from the rows, and name what differs."""
        return cast("models.LedgerCheckView", await self._requests.send("GET", "/v1/ledger/check"))


class Operators:
    """Operations below `/v1/operators`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, tenant_id: str | None = None) -> models.OperatorList:
        """List the people of a tenant, or for administrators those of the platform."""
        return cast("models.OperatorList", await self._requests.send("GET", "/v1/operators", query={"tenant_id": tenant_id}))

    async def create(self, body: models.OperatorRequest, *, idempotency_key: str | None = None) -> models.OperatorAnswer:
        """Let a person sign in with the identity provider, by their verified mail address."""
        return cast("models.OperatorAnswer", await self._requests.send("POST", "/v1/operators", body=body, idempotency_key=idempotency_key))

    async def delete(self, operator_id: UUID | str) -> None:
        """Let a person sign in no more. Sessions end on every instance within 30 seconds."""
        await self._requests.send("DELETE", path_of("/v1/operators/{operator_id}", operator_id=operator_id))


class Payments:
    """Operations below `/v1/payments`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, limit: int | None = None, cursor: str | None = None, status: models.Status | None = None, account_id: str | None = None) -> models.PagePaymentAnswer:
        """List payments, newest first."""
        return cast("models.PagePaymentAnswer", await self._requests.send("GET", "/v1/payments", query={"limit": limit, "cursor": cursor, "status": status, "account_id": account_id}))

    def iterate(self, *, limit: int | None = None, status: models.Status | None = None, account_id: str | None = None) -> AsyncIterator[models.PaymentAnswer]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.PaymentAnswer]", self._requests.pages("/v1/payments", query={"limit": limit, "status": status, "account_id": account_id}))

    async def create(self, body: models.PaymentRequest, *, idempotency_key: str | None = None) -> models.PaymentAnswer:
        """Make a payment. A refusal by fraud checks, funds or limits is an outcome: read `status`."""
        return cast("models.PaymentAnswer", await self._requests.send("POST", "/v1/payments", body=body, idempotency_key=idempotency_key))

    async def create_batch(self, body: models.PaymentBatchRequest, *, idempotency_key: str | None = None) -> models.PaymentBatchAnswer:
        """Make up to 500 independent payments; each is answered as if it had been sent alone."""
        return cast("models.PaymentBatchAnswer", await self._requests.send("POST", "/v1/payments/batch", body=body, idempotency_key=idempotency_key))

    async def get(self, payment_id: UUID | str) -> models.PaymentAnswer:
        """Return one payment."""
        return cast("models.PaymentAnswer", await self._requests.send("GET", path_of("/v1/payments/{payment_id}", payment_id=payment_id)))

    async def capture(self, payment_id: UUID | str, body: models.PaymentCaptureRequest | None = None, *, idempotency_key: str | None = None) -> models.PaymentAnswer:
        """Capture an authorized payment, in whole or in part; the rest is released."""
        return cast("models.PaymentAnswer", await self._requests.send("POST", path_of("/v1/payments/{payment_id}/capture", payment_id=payment_id), body=body, idempotency_key=idempotency_key))

    async def get_receipt(self, payment_id: UUID | str, *, disclose: bool | None = None) -> models.ReceiptOut:
        """Every event of the payment with its proof under a signed head. 404 until the log has the
        payment.
        """
        return cast("models.ReceiptOut", await self._requests.send("GET", path_of("/v1/payments/{payment_id}/receipt", payment_id=payment_id), query={"disclose": disclose}))

    async def refund(self, payment_id: UUID | str, body: models.RefundRequest | None = None, *, idempotency_key: str | None = None) -> models.RefundAnswer:
        """Refund a captured payment, in whole or in parts. A refusal by the ledger is a refund that
        `failed`.
        """
        return cast("models.RefundAnswer", await self._requests.send("POST", path_of("/v1/payments/{payment_id}/refund", payment_id=payment_id), body=body, idempotency_key=idempotency_key))

    async def list_refunds(self, payment_id: UUID | str) -> models.RefundList:
        """List a payment's refunds, oldest first."""
        return cast("models.RefundList", await self._requests.send("GET", path_of("/v1/payments/{payment_id}/refunds", payment_id=payment_id)))

    async def void(self, payment_id: UUID | str, body: models.PaymentVoidRequest | None = None, *, idempotency_key: str | None = None) -> models.PaymentAnswer:
        """Release the hold of a payment that is authorized or under review."""
        return cast("models.PaymentAnswer", await self._requests.send("POST", path_of("/v1/payments/{payment_id}/void", payment_id=payment_id), body=body, idempotency_key=idempotency_key))


class Sessions:
    """Operations below `/v1/sessions`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def delete_current(self) -> None:
        """End this session. It stops working on every instance within 30 seconds."""
        await self._requests.send("DELETE", "/v1/sessions/current")

    async def get_current(self) -> models.CurrentSession:
        """Return who is asking, with a session or a key."""
        return cast("models.CurrentSession", await self._requests.send("GET", "/v1/sessions/current"))


class SignIns:
    """Operations below `/v1/sign-ins`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def create(self, body: models.SignInRequest, *, idempotency_key: str | None = None) -> models.SignInAnswer:
        """Begin to sign in: send the person to the identity provider."""
        return cast("models.SignInAnswer", await self._requests.send("POST", "/v1/sign-ins", body=body, idempotency_key=idempotency_key))

    async def create_complete(self, body: models.SignInCompletion, *, idempotency_key: str | None = None) -> models.SessionAnswer:
        """Complete a sign-in with what came back to the redirect address."""
        return cast("models.SessionAnswer", await self._requests.send("POST", "/v1/sign-ins/complete", body=body, idempotency_key=idempotency_key))


class Tenants:
    """Operations below `/v1/tenants`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, limit: int | None = None, cursor: str | None = None, status: Literal["onboarding", "active", "suspended", "closing", "closed", "failed"] | None = None) -> models.PageTenantAnswer:
        """List tenants, oldest first."""
        return cast("models.PageTenantAnswer", await self._requests.send("GET", "/v1/tenants", query={"limit": limit, "cursor": cursor, "status": status}))

    def iterate(self, *, limit: int | None = None, status: Literal["onboarding", "active", "suspended", "closing", "closed", "failed"] | None = None) -> AsyncIterator[models.TenantAnswer]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.TenantAnswer]", self._requests.pages("/v1/tenants", query={"limit": limit, "status": status}))

    async def create(self, body: models.TenantRequest, *, idempotency_key: str | None = None) -> models.RegistrationAnswer:
        """Register a tenant. Its database is provisioned in the background; watch `onboarding`."""
        return cast("models.RegistrationAnswer", await self._requests.send("POST", "/v1/tenants", body=body, idempotency_key=idempotency_key))

    async def delete(self, tenant_id: UUID | str) -> models.OperationAnswer:
        """Close a suspended tenant in which no money is left, and remove its data."""
        return cast("models.OperationAnswer", await self._requests.send("DELETE", path_of("/v1/tenants/{tenant_id}", tenant_id=tenant_id)))

    async def get(self, tenant_id: UUID | str) -> models.TenantAnswer:
        """Return one tenant."""
        return cast("models.TenantAnswer", await self._requests.send("GET", path_of("/v1/tenants/{tenant_id}", tenant_id=tenant_id)))

    async def get_export(self, tenant_id: UUID | str) -> models.ExportAnswer:
        """Return what was exported when the tenant was closed."""
        return cast("models.ExportAnswer", await self._requests.send("GET", path_of("/v1/tenants/{tenant_id}/export", tenant_id=tenant_id)))

    async def get_export_file(self, tenant_id: UUID | str, name: UUID | str) -> bytes:
        """Return one file of the export."""
        return await self._requests.download("GET", path_of("/v1/tenants/{tenant_id}/export/files/{name}", tenant_id=tenant_id, name=name))

    async def get_onboarding(self, tenant_id: UUID | str) -> models.OperationAnswer:
        """Return the onboarding's steps with their times."""
        return cast("models.OperationAnswer", await self._requests.send("GET", path_of("/v1/tenants/{tenant_id}/onboarding", tenant_id=tenant_id)))

    async def get_operation(self, tenant_id: UUID | str, kind: UUID | str) -> models.OperationAnswer:
        """Return the latest onboarding, rotation or offboarding with its steps."""
        return cast("models.OperationAnswer", await self._requests.send("GET", path_of("/v1/tenants/{tenant_id}/operations/{kind}", tenant_id=tenant_id, kind=kind)))

    async def replace_policies(self, tenant_id: UUID | str, body: models.PoliciesRequest) -> models.TenantAnswer:
        """Replace the tenant's policies and, if given, its rate limit."""
        return cast("models.TenantAnswer", await self._requests.send("PUT", path_of("/v1/tenants/{tenant_id}/policies", tenant_id=tenant_id), body=body))

    async def resume(self, tenant_id: UUID | str, *, idempotency_key: str | None = None) -> models.TenantAnswer:
        """Resume a suspended tenant."""
        return cast("models.TenantAnswer", await self._requests.send("POST", path_of("/v1/tenants/{tenant_id}/resume", tenant_id=tenant_id), idempotency_key=idempotency_key))

    async def rotate_credentials(self, tenant_id: UUID | str, *, idempotency_key: str | None = None) -> models.OperationAnswer:
        """Give every service a new database credential for this tenant, without interrupting it."""
        return cast("models.OperationAnswer", await self._requests.send("POST", path_of("/v1/tenants/{tenant_id}/rotate-credentials", tenant_id=tenant_id), idempotency_key=idempotency_key))

    async def suspend(self, tenant_id: UUID | str, *, idempotency_key: str | None = None) -> models.TenantAnswer:
        """Suspend a tenant: it can be read and not changed until it is resumed."""
        return cast("models.TenantAnswer", await self._requests.send("POST", path_of("/v1/tenants/{tenant_id}/suspend", tenant_id=tenant_id), idempotency_key=idempotency_key))


class Transfers:
    """Operations below `/v1/transfers`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, account_id: str | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageTransfer:
        """List transfers, latest first."""
        return cast("models.PageTransfer", await self._requests.send("GET", "/v1/transfers", query={"account_id": account_id, "limit": limit, "cursor": cursor}))

    def iterate(self, *, account_id: str | None = None, limit: int | None = None) -> AsyncIterator[models.Transfer]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.Transfer]", self._requests.pages("/v1/transfers", query={"account_id": account_id, "limit": limit}))

    async def create(self, body: models.TransferRequest, *, idempotency_key: str | None = None) -> models.Transfer:
        """Move money between accounts, or hold it with `pending`."""
        return cast("models.Transfer", await self._requests.send("POST", "/v1/transfers", body=body, idempotency_key=idempotency_key))

    async def create_batch(self, body: models.BatchRequest, *, idempotency_key: str | None = None) -> models.Batch:
        """Make up to 500 transfers: all or none with `atomic`, else each for itself."""
        return cast("models.Batch", await self._requests.send("POST", "/v1/transfers/batch", body=body, idempotency_key=idempotency_key))

    async def get(self, transfer_id: UUID | str) -> models.Transfer:
        """Return one transfer."""
        return cast("models.Transfer", await self._requests.send("GET", path_of("/v1/transfers/{transfer_id}", transfer_id=transfer_id)))

    async def post(self, transfer_id: UUID | str, body: models.PostRequest | None = None, *, idempotency_key: str | None = None) -> models.Transfer:
        """Post a pending transfer, whole or in part; the rest is released."""
        return cast("models.Transfer", await self._requests.send("POST", path_of("/v1/transfers/{transfer_id}/post", transfer_id=transfer_id), body=body, idempotency_key=idempotency_key))

    async def reverse(self, transfer_id: UUID | str, body: models.ReverseRequest | None = None, *, idempotency_key: str | None = None) -> models.Transfer:
        """Post the mirror image of a transfer, once and in full."""
        return cast("models.Transfer", await self._requests.send("POST", path_of("/v1/transfers/{transfer_id}/reverse", transfer_id=transfer_id), body=body, idempotency_key=idempotency_key))

    async def void(self, transfer_id: UUID | str, body: models.VoidRequest | None = None, *, idempotency_key: str | None = None) -> models.Transfer:
        """Release a pending transfer."""
        return cast("models.Transfer", await self._requests.send("POST", path_of("/v1/transfers/{transfer_id}/void", transfer_id=transfer_id), body=body, idempotency_key=idempotency_key))


class WebhookEndpoints:
    """Operations below `/v1/webhook-endpoints`."""

    def __init__(self, requests: AsyncRequests) -> None:
        self._requests = requests

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> models.PageEndpointOut:
        """List endpoints, oldest first"""
        return cast("models.PageEndpointOut", await self._requests.send("GET", "/v1/webhook-endpoints", query={"limit": limit, "cursor": cursor}))

    def iterate(self, *, limit: int | None = None) -> AsyncIterator[models.EndpointOut]:
        """Yield every item of `list`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.EndpointOut]", self._requests.pages("/v1/webhook-endpoints", query={"limit": limit}))

    async def create(self, body: models.EndpointIn, *, idempotency_key: str | None = None) -> models.NewEndpointOut:
        """The secret that messages are signed with is shown this once."""
        return cast("models.NewEndpointOut", await self._requests.send("POST", "/v1/webhook-endpoints", body=body, idempotency_key=idempotency_key))

    async def get_client_certificate(self) -> models.ClientCertificateOut:
        """For receivers with mutual TLS: trust this certificate, and set `client_certificate` on the
        endpoint.
        """
        return cast("models.ClientCertificateOut", await self._requests.send("GET", "/v1/webhook-endpoints/client-certificate"))

    async def delete(self, endpoint_id: UUID | str) -> None:
        """What was not delivered yet is cancelled."""
        await self._requests.send("DELETE", path_of("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id))

    async def get(self, endpoint_id: UUID | str) -> models.EndpointOut:
        """One endpoint"""
        return cast("models.EndpointOut", await self._requests.send("GET", path_of("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id)))

    async def update(self, endpoint_id: UUID | str, body: models.EndpointChangeIn) -> models.EndpointOut:
        """What waits while an endpoint is disabled is sent when it is enabled again."""
        return cast("models.EndpointOut", await self._requests.send("PATCH", path_of("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id), body=body))

    async def list_deliveries(self, endpoint_id: UUID | str, *, status: models.DeliveryStatus | None = None, limit: int | None = None, cursor: str | None = None) -> models.PageDeliveryOut:
        """List an endpoint's deliveries, newest first"""
        return cast("models.PageDeliveryOut", await self._requests.send("GET", path_of("/v1/webhook-endpoints/{endpoint_id}/deliveries", endpoint_id=endpoint_id), query={"status": status, "limit": limit, "cursor": cursor}))

    def iterate_deliveries(self, endpoint_id: UUID | str, *, status: models.DeliveryStatus | None = None, limit: int | None = None) -> AsyncIterator[models.DeliveryOut]:
        """Yield every item of `list_deliveries`, page by page; `limit` is the size of a page."""
        return cast("AsyncIterator[models.DeliveryOut]", self._requests.pages(path_of("/v1/webhook-endpoints/{endpoint_id}/deliveries", endpoint_id=endpoint_id), query={"status": status, "limit": limit}))

    async def get_delivery(self, endpoint_id: UUID | str, message_id: UUID | str) -> models.DeliveryDetailOut:
        """One delivery with its attempts"""
        return cast("models.DeliveryDetailOut", await self._requests.send("GET", path_of("/v1/webhook-endpoints/{endpoint_id}/deliveries/{message_id}", endpoint_id=endpoint_id, message_id=message_id)))

    async def replay(self, endpoint_id: UUID | str, body: models.ReplayIn, *, idempotency_key: str | None = None) -> models.ReplayOut:
        """They keep their ids and sequence numbers, so that a receiver can tell what it knows already."""
        return cast("models.ReplayOut", await self._requests.send("POST", path_of("/v1/webhook-endpoints/{endpoint_id}/replay", endpoint_id=endpoint_id), body=body, idempotency_key=idempotency_key))

    async def rotate_secret(self, endpoint_id: UUID | str, body: models.RotationIn | None = None, *, idempotency_key: str | None = None) -> models.RotationOut:
        """Messages carry signatures of both secrets until the old one expires."""
        return cast("models.RotationOut", await self._requests.send("POST", path_of("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", endpoint_id=endpoint_id), body=body, idempotency_key=idempotency_key))

    async def test(self, endpoint_id: UUID | str, *, idempotency_key: str | None = None) -> models.TestEventOut:
        """Sent whatever the endpoint's filters are; GET its delivery to see how it went."""
        return cast("models.TestEventOut", await self._requests.send("POST", path_of("/v1/webhook-endpoints/{endpoint_id}/test", endpoint_id=endpoint_id), idempotency_key=idempotency_key))


class AsyncApi:
    """Every operation, by resource."""

    def __init__(self, requests: AsyncRequests) -> None:
        self.accounts = Accounts(requests)
        self.administrative_acts = AdministrativeActs(requests)
        self.api_keys = ApiKeys(requests)
        self.approvals = Approvals(requests)
        self.audit = Audit(requests)
        self.email_subscriptions = EmailSubscriptions(requests)
        self.email_templates = EmailTemplates(requests)
        self.fraud = Fraud(requests)
        self.idempotency = Idempotency(requests)
        self.ledger = Ledger(requests)
        self.operators = Operators(requests)
        self.payments = Payments(requests)
        self.sessions = Sessions(requests)
        self.sign_ins = SignIns(requests)
        self.tenants = Tenants(requests)
        self.transfers = Transfers(requests)
        self.webhook_endpoints = WebhookEndpoints(requests)
