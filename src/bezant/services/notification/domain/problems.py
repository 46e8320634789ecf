"""Every error of the notification service that a client can see."""

from bezant.contracts.problems import Conflict, NotFound, Unprocessable


class EndpointNotFound(NotFound):
    """No webhook endpoint of that id for this tenant."""

    code = "webhook_endpoint_not_found"
    title = "Webhook endpoint not found"


class DeliveryNotFound(NotFound):
    """No message of that id for this endpoint."""

    code = "webhook_delivery_not_found"
    title = "Webhook delivery not found"


class EndpointUrlRefused(Unprocessable):
    """Webhooks are not sent to this URL."""

    code = "webhook_url_refused"
    title = "The endpoint's URL is not allowed"


class EventFilterInvalid(Unprocessable):
    """A filter that is neither an event type nor a family of them."""

    code = "webhook_event_filter_invalid"
    title = "The event filter is not valid"


class TooManyEndpoints(Conflict):
    """The tenant has as many endpoints as one may have."""

    code = "webhook_endpoint_limit"
    title = "Too many webhook endpoints"


class EndpointDisabled(Conflict):
    """The endpoint is disabled; enable it first."""

    code = "webhook_endpoint_disabled"
    title = "The webhook endpoint is disabled"
