"""One AWS service in one region: every call on a thread, every refusal one of our errors.

boto3 itself sends a request again after a throttling or a 5xx answer; what still fails then is for `Patience`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from bezant.services.tenant.provisioning.aurora.failures import (
    CREDENTIALS,
    DENIED,
    EXISTS,
    MISSING,
    NO_CAPACITY,
    QUOTA_CODES,
    THROTTLED,
    WRONG_STATE,
    AccessDenied,
    AwsBusy,
    AwsExists,
    AwsMissing,
    AwsRefused,
    AwsWrongState,
    QuotaExceeded,
)

_SERVER_ERROR = 500
_TITLES: Final = {"rds": "Amazon RDS", "logs": "Amazon CloudWatch Logs"}
"""As Service Quotas calls them."""


class AwsApi:
    """A service in one region. Credentials come from the usual chain (Pod Identity on EKS)."""

    def __init__(
        self, service: Literal["rds", "logs"], *, region: str, endpoint_url: str | None, attempts: int
    ) -> None:
        self.region = region
        self._title = _TITLES[service]
        # mypy knows each service's client by its name alone, and these calls are made by theirs
        self._client: Any = boto3.client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=2, read_timeout=15
            ),
        )

    async def request(self, action: str, /, **parameters: Any) -> Any:
        """Call an action by its boto3 name and return the answer.

        Raises `AwsMissing`, `AwsExists`, `AwsBusy` and its kinds, and `GivenUp` in the kinds of `failures`.
        """
        method = getattr(self._client, action)
        try:
            return await asyncio.to_thread(method, **parameters)
        except ClientError as error:
            raise self._sorted(action, error) from error
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
            raise AwsBusy(f"there are no AWS credentials for {action}: {_CREDENTIALS_HELP}") from error
        except BotoCoreError as error:
            raise AwsBusy(
                f"{self._title} in {self.region} does not answer {action} ({type(error).__name__})"
            ) from error

    async def all(self, action: str, key: str, /, **parameters: Any) -> list[Any]:
        """Return the entries of every page of a listing action."""
        found: list[Any] = []
        marker: dict[str, str] = {}
        while True:
            page = await self.request(action, **parameters, **marker)
            found += page[key]
            if not page.get("Marker"):
                return found
            marker = {"Marker": page["Marker"]}

    def _sorted(self, action: str, error: ClientError) -> Exception:
        code, said = str(error.response["Error"]["Code"]), str(error.response["Error"].get("Message", ""))[:200]
        what = f"{action} in {self.region}: {code}"
        kinds: Iterable[tuple[bool, Exception]] = (
            (code in MISSING, AwsMissing(what)),
            (code in EXISTS, AwsExists(what)),
            (code in WRONG_STATE, AwsWrongState(f"{what}: {said}")),
            (code in THROTTLED, AwsBusy(f"AWS throttles us ({what})")),
            (code in CREDENTIALS, AwsBusy(f"AWS does not accept our credentials ({what}): {_CREDENTIALS_HELP}")),
            (
                code in DENIED,
                AccessDenied(
                    f"our role may not do {action} in {self.region}; give the tenant service the rights of "
                    "docs/provisioning.md and onboard again"
                ),
            ),
            (
                code.endswith(QUOTA_CODES),
                QuotaExceeded(
                    f"{what}: {said}. Ask for more in Service Quotas ({self._title}, {self.region}) or remove what "
                    "`bezant admin orphans` lists, then onboard again"
                ),
            ),
            (
                code in NO_CAPACITY,
                AwsRefused(
                    f"{what}: AWS has no room for this instance class in these zones; set BEZANT_AURORA_INSTANCE_CLASS "
                    "or BEZANT_AURORA_ZONES to others, or onboard again later"
                ),
            ),
            (error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERROR, AwsBusy(f"{what}: {said}")),
        )
        for fits, sorted_error in kinds:
            if fits:
                return sorted_error
        return AwsRefused(f"{what}: {said}. Check the BEZANT_AURORA_ settings and the region, then onboard again")


_CREDENTIALS_HELP = (
    "renew them (on EKS: the pod identity association of bezant/tenant and the agent on its node); "
    "the operation goes on by itself"
)
