"""Names of operations, made from method and path: `payments.capture`, `fraud.list_cases`, `accounts.get_balance`."""

_VERBS = {"POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}


def operation_name(method: str, path: str, *, is_list: bool) -> str:
    """Return `resource.name` for a path below `/v1/`.

    A POST to what follows an id is an action and named like it (`accounts.freeze`). Anything else begins with a verb
    and ends with what it is about, in the singular where one of many is meant (`fraud.get_rules_version`).
    """
    resource, *segments = path.removeprefix("/v1/").split("/")
    words: list[str] = []
    for position, segment in enumerate(segments):
        if segment.startswith("{"):
            continue
        followed = position + 1 < len(segments) and segments[position + 1].startswith("{")
        words.append(_singular(segment) if followed else segment)
    is_action = method == "POST" and len(segments) > 1 and segments[-2].startswith("{")
    if is_action:
        verb = ""
    elif method == "GET":
        verb = "list" if is_list else "get"
    else:
        verb = _VERBS[method]
    if verb == "create" and words:
        words[-1] = _singular(words[-1])
    name = "_".join(filter(None, [verb, *words]))
    return f"{resource}.{name}".replace("-", "_")


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word.removesuffix("es") if word.endswith("sses") else word.removesuffix("s")
