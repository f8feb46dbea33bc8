"""Fields that entries of every kind of provider account share."""

from compuerta.apps.entries import Entry
from compuerta.domain.payment import Flow


def is_live(entry: Entry) -> bool:
    """Return whether the account's money exists; `"live": false` says that it does not."""
    return entry.flag("live", absent=True)


def flows_of(entry: Entry, *, offered: frozenset[Flow]) -> frozenset[Flow]:
    """Return the ways of paying that an account has: `offered`, or those of them that `"flows"` names."""
    if "flows" not in entry.fields:
        return offered
    known = {flow.value: flow for flow in offered}
    for name in entry.texts("flows"):
        if name not in known:
            raise entry.malformed("flows", f"{name!r} is not one of {', '.join(sorted(known))}")
    return frozenset(known[name] for name in entry.texts("flows"))
