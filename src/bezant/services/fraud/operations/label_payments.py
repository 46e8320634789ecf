"""Say what a payment turned out to be: what backtests and models are measured against."""

from uuid import UUID

from bezant.contracts.fraud_events import PaymentLabel
from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import Label, LabelSource
from bezant.services.fraud.domain.problems import AssessmentNotFound, LabelNotFound
from bezant.services.fraud.events.publishes import payment_labelled
from bezant.services.fraud.storage import QUERIES


async def label_payment(
    databases: TenantDatabases,
    tenant_id: UUID,
    payment_id: UUID,
    label: PaymentLabel,
    *,
    source: LabelSource,
    note: str,
    actor: str,
) -> Label:
    """Label a judged payment; the last label counts, earlier ones stay as history. Raises `AssessmentNotFound`."""

    async def work(tx: TenantTransaction) -> Label:
        row = await tx.fetch_one(
            QUERIES["insert_label"],
            {
                "label_id": new_id(),
                "payment_id": payment_id,
                "label": label,
                "source": source,
                "note": note,
                "labelled_by": actor,
            },
        )
        if row is None:
            raise AssessmentNotFound(f"No assessment of a payment {payment_id} exists.")
        tx.emit(payment_labelled(payment_id, label, source=source, note=note, actor=actor))
        return Label(PaymentLabel(row[0]), LabelSource(row[1]), row[2], row[3], row[4])

    return await databases.run(tenant_id, work)


async def read_label(databases: TenantDatabases, tenant_id: UUID, payment_id: UUID) -> Label:
    """Return what a payment turned out to be. Raises `LabelNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        row = await tx.fetch_one(QUERIES["label_of_payment"], {"payment_id": payment_id})
    if row is None:
        raise LabelNotFound(f"Nobody has labelled a payment {payment_id}.")
    return Label(PaymentLabel(row[0]), LabelSource(row[1]), row[2], row[3], row[4])
