"""Names of rows: made from what happened, so that whatever happens twice is written once."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6c7c2f1e-5a4b-5d0e-9a57-0c0f6b1d2e3a")


def named(kind: str, *facts: object) -> UUID:
    """Name the one thing of its kind that these facts tell apart."""
    return uuid5(NAMESPACE, ":".join([kind, *map(str, facts)]))


def named_apart(kind: str, *facts: object) -> UUID:
    """Name as `named` does, where strangers choose the facts: these may hold what joins them.

    Each is told with its length, so that no two lists of facts are one name.
    """
    told = [str(fact) for fact in facts]
    return named(kind, *(f"{len(each)}:{each}" for each in told))


def derived(parent: UUID, kind: str) -> UUID:
    """Name the one thing of its kind that follows from a parent."""
    return uuid5(parent, kind)
