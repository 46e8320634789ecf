import time, uuid, asyncio
from bezant.contracts.internal.ledger import *
from bezant.services.transaction.domain.book import Submitted
from bezant.services.transaction.operations.manage_account import manage_account
from bezant.services.transaction.operations.post_group import Posting, post_group
from .conftest import legs

async def test_smoke(ledger):
    a,b=uuid.uuid4(),uuid.uuid4()
    for i,t in ((a,"settlement"),(b,"customer")):
        r=await manage_account(ledger.databases, ledger.tenant_id, OpenAccount(account_id=i,account_type=t,currency="USD",actor="x"))
        assert r.status=="created", r
    hid=uuid.uuid4()
    async def go(*cs):
        return [p.result for p in await post_group(ledger.databases, ledger.tenant_id, [Posting(Submitted(c,"ledger")) for c in cs])]
    print(await go(CreateTransfer(id=uuid.uuid4(),currency="USD",legs=legs(a,b,100),actor="x"),
       CreateTransfer(id=hid,currency="USD",legs=legs(b,a,60),pending=True,actor="x"),
       CreateTransfer(id=uuid.uuid4(),currency="USD",legs=legs(b,a,60),actor="x")))
    print(await go(PostPending(id=uuid.uuid4(),pending_id=hid,amount_minor=20,actor="x")))
    print(await go(PostPending(id=uuid.uuid4(),pending_id=hid,amount_minor=20,actor="x")))
    async with ledger.databases.transaction(ledger.tenant_id) as tx:
        for r in await tx.fetch_all("select * from ledger.accounts"): print(r)
        for r in await tx.fetch_all("select * from ledger.entries order by created_at"): print(r)
        for r in await tx.fetch_all("select envelope from ledger.outbox"): print(r)
    for n in (1,16,64,256,256):
        cs=[CreateTransfer(id=uuid.uuid4(),currency="USD",legs=legs(a,b,100),actor="x",reference="hello") for _ in range(n)]
        t=time.perf_counter(); await go(*cs); d=time.perf_counter()-t; print(n, round(d*1000,1),'ms', round(n/d))
