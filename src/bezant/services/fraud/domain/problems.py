"""Every error of the fraud service that a client can see."""

from bezant.contracts.problems import Conflict, Forbidden, NotFound, Unavailable, Unprocessable


class RuleInvalid(Unprocessable):
    """A rule does not compile, uses an unknown variable or does not answer true or false; extension ``rule``."""

    code = "rule_invalid"
    title = "A fraud rule is not valid"


class ThresholdInvalid(Unprocessable):
    """A threshold is unknown, or not a number in its range; extension ``threshold``."""

    code = "threshold_invalid"
    title = "A fraud threshold is not valid"


class ListTooLong(Unprocessable):
    """A list would hold more parties than a list can; extensions ``list`` and ``kind``."""

    code = "fraud_list_too_long"
    title = "The list is too long"


class RulesetChanged(Conflict):
    """The rule set was replaced since the version that the request was based on."""

    code = "ruleset_changed"
    title = "The rule set was changed by someone else"


class CaseNotFound(NotFound):
    """No case of that id for this tenant."""

    code = "fraud_case_not_found"
    title = "Fraud case not found"


class CaseAlreadyDecided(Conflict):
    """The case was decided before; the first decision stands."""

    code = "fraud_case_already_decided"
    title = "The fraud case is already decided"


class AssessmentNotFound(NotFound):
    """No assessment of that payment for this tenant."""

    code = "fraud_assessment_not_found"
    title = "Fraud assessment not found"


class RulesetNotFound(NotFound):
    """No rule set of that version for this tenant."""

    code = "fraud_ruleset_not_found"
    title = "Fraud rule set not found"


class NoShadowRuleset(NotFound):
    """No rule set judges in shadow at present."""

    code = "fraud_shadow_not_found"
    title = "No rule set is in shadow"


class SecondPersonRequired(Forbidden):
    """The tenant asks for a second person, and the caller is the first one; extension ``proposed_by``."""

    code = "fraud_second_person_required"
    title = "Another person has to decide"


class NoCaseToClaim(NotFound):
    """The queue of open cases that nobody has is empty."""

    code = "fraud_queue_empty"
    title = "No case waits to be claimed"


class LabelNotFound(NotFound):
    """Nobody has said what this payment turned out to be."""

    code = "fraud_label_not_found"
    title = "The payment has no label"


class VelocityUnavailable(Unavailable):
    """The velocity counters do not answer."""

    code = "fraud_velocity_unavailable"
    title = "Velocity cannot be counted now"
