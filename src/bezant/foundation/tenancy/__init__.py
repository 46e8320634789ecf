"""Tenant scope: the one way to a tenant's database, and the pools behind it.

`TenantDatabases.transaction` is the only constructor of tenant scope in the code base (held by a lint in
`tests/architecture`). A service holds one of them, bound to its own role, and so cannot reach another
service's schema or a database that its tenant's credential does not open.
"""

from bezant.foundation.tenancy.databases import TenantDatabases
from bezant.foundation.tenancy.transaction import TenantTransaction

__all__ = ["TenantDatabases", "TenantTransaction"]
