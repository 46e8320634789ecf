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


class EmailNotOffered(Conflict):
    """This deployment has no mail server."""

    code = "email_not_offered"
    title = "E-mail is not offered here"


class EmailAddressRefused(Unprocessable):
    """A mail address that cannot be written to."""

    code = "email_address_refused"
    title = "The mail address is not valid"


class ConfirmationInvalid(Unprocessable):
    """The code is not the one that was sent to the address, or has expired."""

    code = "email_confirmation_invalid"
    title = "The confirmation code is not valid"


class EmailUnconfirmed(Conflict):
    """The owner of the address has not confirmed it yet."""

    code = "email_unconfirmed"
    title = "The mail address is not confirmed"


class EmailTemplateInvalid(Unprocessable):
    """A template for no event type, or with a place that is never filled."""

    code = "email_template_invalid"
    title = "The e-mail template is not valid"


class EmailTemplateNotFound(NotFound):
    """The tenant has no template of its own for this event type."""

    code = "email_template_not_found"
    title = "E-mail template not found"
