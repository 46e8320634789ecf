"""Make a cluster ready for tenant databases: the provisioner, the group roles and, on a shared one, the template."""

import psycopg

from bezant.foundation.control.cluster import ensure_group_roles, ensure_provisioner, ensure_template
from bezant.foundation.secrets import SecretStore, platform_secret_name
from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.cluster_databases import ClusterDatabases


async def prepare_cluster(databases: ClusterDatabases, secrets: SecretStore, cluster: str, *, template: bool) -> None:
    """Make what is missing. Raises `psycopg.OperationalError`, `SecretMissing`.

    The administrator is asked only when the provisioner cannot log in: on a new cluster, or after its password was
    changed on the others.
    """
    try:
        connection = await databases.connect("postgres")
    except psycopg.OperationalError:
        administrator = await secrets.read(names.administrator_secret(cluster))
        administering = await databases.connect_as(administrator["username"], administrator["password"], "postgres")
        async with administering:
            await ensure_provisioner(administering, secrets)
        connection = await databases.connect("postgres")
    async with connection:
        await ensure_group_roles(connection)
        if template:
            credential = await secrets.read(platform_secret_name("provisioner"))
            parameters = databases.parameters(user=credential["user"], password=credential["password"])
            await ensure_template(connection, parameters)
