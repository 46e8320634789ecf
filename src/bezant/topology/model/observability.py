"""Where logs go, how long they are kept, and from where on somebody is called."""

from typing import Annotated, Literal

from pydantic import Field

from bezant.topology.model.base import Name, Part, Percentage, Seconds

LogDays = Annotated[int, Field(ge=1, le=3653)]


class Alarms(Part):
    """Bounds that no objective of the model gives. Error rate and latency come from `canary`, lag from `recovery`."""

    cpu_percent: Percentage = Field(description="of databases, cache and brokers, over a quarter of an hour")
    connections_percent: Percentage = Field(description="of what an instance class allows")
    storage_percent: Percentage = Field(description="of a broker's disk")
    replica_lag_seconds: Seconds = Field(description="of a reader in the writer's region")


class Splunk(Part):
    """A copy of all logs by Amazon Data Firehose to Splunk's HTTP event collector."""

    endpoint: Name = Field(description="such as https://http-inputs-firehose-example.splunkcloud.com:443")
    endpoint_type: Literal["Raw", "Event"] = "Raw"
    token_secret: Name = Field(description="in Secrets Manager: a JSON object with the key hec_token")


class Observability(Part):
    """Logs and alarms."""

    log_retention_days: LogDays
    alarms: Alarms
    splunk: Splunk | None = None
