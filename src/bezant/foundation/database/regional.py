"""Where a tenant's database is reached from this region.

What is written down of a tenant's database, in its secrets and its placement, names the endpoint of the region that it
was made in. In the other region both are copies, and so is the database: a cluster of the same name in the same global
database. After a fail-over the written endpoint is that of the lost region, and nobody who could change it in a
thousand secrets should have to. Names of Aurora's endpoints are made of the cluster, a part that is fixed for an
account in a region, and the region (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.html),
so that the control database's own endpoint says how all others of its region end.
"""

import re
from typing import Final

_ENDPOINT: Final = re.compile(
    r"(?P<cluster>[a-z0-9-]+)\.(?P<kind>cluster(?:-ro)?)-(?P<account>[a-z0-9]+)"
    r"\.(?P<region>[a-z0-9-]+)\.(?P<domain>rds\.amazonaws\.com(?:\.cn)?)"
)


def host_in_region_of(control_host: str, host: str) -> str:
    """Return the endpoint of the same cluster in the region of the control database.

    Any other host, such as one on a laptop, and one of that region, is returned as it is.
    """
    here, written = _ENDPOINT.fullmatch(control_host), _ENDPOINT.fullmatch(host)
    if here is None or written is None or here["region"] == written["region"]:
        return host
    return f"{written['cluster']}.{written['kind']}-{here['account']}.{here['region']}.{here['domain']}"
