"""What can go wrong between us and AWS, sorted by what helps: waiting, or somebody who changes something.

The codes are those of the RDS API (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html and each
action's own page) and of the signing of requests.
"""

from typing import Final

from bezant.services.tenant.domain.failures import GivenUp, Passing


class AwsBusy(Passing):
    """It may work in a moment. The message says what AWS said and, where something can be done, what."""


class AwsMissing(LookupError):
    """There is no such resource in this region."""


class AwsExists(RuntimeError):
    """A resource of this name is there already: of an earlier attempt of ours, or of somebody else."""


class AwsWrongState(AwsBusy):
    """The resource is just being changed; AWS takes this request when that has ended."""


class QuotaExceeded(GivenUp):
    """The account may not have another one."""

    code = "aws_quota_exceeded"


class AccessDenied(GivenUp):
    """Our role may not do this."""

    code = "aws_access_denied"


class AwsRefused(GivenUp):
    """AWS does not do this, now or later, as it is asked."""

    code = "aws_refused"


class ClustersFull(GivenUp):
    """No shared cluster has room."""

    code = "shared_clusters_full"


class NoSharedCluster(GivenUp):
    """The region has no shared cluster of ours."""

    code = "no_shared_cluster"


class WrongRegion(GivenUp):
    """The database is, or is being made, in another region than the one this process works in."""

    code = "wrong_region"


class TookTooLong(GivenUp):
    """AWS has not come to an end in the time that it may take."""

    code = "aws_took_too_long"


class ClusterBroken(GivenUp):
    """A cluster or an instance has got into a state that it does not leave by itself."""

    code = "cluster_broken"


class NotOurs(GivenUp):
    """A resource has the name that we would give and not our tags: it is left alone."""

    code = "resource_not_ours"


THROTTLED: Final = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException",
     "RequestThrottled", "RequestThrottledException", "SlowDown", "PriorRequestNotComplete"}
)  # fmt: skip
CREDENTIALS: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidClientTokenId",
     "UnrecognizedClientException", "RequestExpired", "SignatureDoesNotMatch", "MissingAuthenticationToken",
     "IncompleteSignature", "AuthFailure"}
)  # fmt: skip
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
QUOTA_CODES: Final = ("QuotaExceeded", "QuotaExceededFault", "LimitExceeded", "LimitExceededException")
MISSING: Final = frozenset(
    {"DBClusterNotFoundFault", "DBInstanceNotFound", "DBInstanceNotFoundFault", "GlobalClusterNotFoundFault",
     "DBClusterSnapshotNotFoundFault", "ResourceNotFoundException"}
)  # fmt: skip
EXISTS: Final = frozenset(
    {"DBClusterAlreadyExistsFault", "DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault",
     "GlobalClusterAlreadyExistsFault", "DBClusterSnapshotAlreadyExistsFault", "ResourceAlreadyExistsException"}
)  # fmt: skip
WRONG_STATE: Final = frozenset(
    {"InvalidDBClusterStateFault", "InvalidDBInstanceState", "InvalidDBInstanceStateFault",
     "InvalidGlobalClusterStateFault", "InvalidDBClusterSnapshotStateFault", "OperationAbortedException"}
)  # fmt: skip
NO_CAPACITY: Final = frozenset(
    {"InsufficientDBInstanceCapacity", "InsufficientDBClusterCapacityFault", "InsufficientStorageClusterCapacity"}
)
