"""Outposts as people see them: entered, told what they may do alone, and given a new key when one is lost."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from compuerta.domain.errors import Refused
from compuerta.domain.naming import named
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.outpost_port import Outpost
from compuerta.services.records import Endpoint
from compuerta.services.store_port import NameTaken, Store

MANDATE_H_MAX = 744  # a month
_NAME = re.compile(r"[0-9A-Za-z_-]{1,40}", re.ASCII)


class OutpostMalformed(Refused):
    """What was said of an outpost cannot be."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class OutpostUnknown(Refused):
    """There is no outpost of this name."""

    def __init__(self, outpost_id: str) -> None:
        super().__init__(f"there is no outpost {outpost_id!r}")
        self.outpost_id = outpost_id


def enter(
    store: Store, outpost: Outpost, actor: Actor, *, bauds: Mapping[int, int], now: datetime
) -> list[Endpoint]:
    """Enter an outpost with the ends of its lines, which are returned; refuses a name that another has."""
    require_reason(actor)
    if not _NAME.fullmatch(outpost.outpost_id):
        raise OutpostMalformed("name", "write at most forty letters, digits, - and _")
    if not 0 < outpost.mandate_h <= MANDATE_H_MAX:
        raise OutpostMalformed("mandate_h", f"write a number of hours from 1 to {MANDATE_H_MAX}")
    ends = [_end(outpost, line, baud=baud) for line, baud in sorted(bauds.items())]
    with store.transaction() as tx:
        if outpost.outpost_id in tx.outposts.outposts():
            raise NameTaken(outpost.outpost_id)
        tx.outposts.put(outpost)
        for end in ends:
            tx.add_endpoint(end)
        act = Act(
            act_id=named("outpost", outpost.outpost_id, now.isoformat()),
            what="enter outpost",
            after=f"cuts {outpost.cuts}, alone at most {outpost.mandate_h} h",
        )
        subject = f"outpost {outpost.outpost_id}"
        audit = entry_about(subject, actor, act, organisation_id=outpost.organisation_id, now=now)
        tx.put_audit([audit])
    return ends


def revoke(store: Store, outpost_id: str, actor: Actor, *, now: datetime) -> Outpost:
    """Take an outpost's key away; returns the outpost with the generation of its next key."""
    require_reason(actor)
    with store.transaction() as tx:
        before = tx.outposts.outposts().get(outpost_id)
        if before is None:
            raise OutpostUnknown(outpost_id)
        after = replace(before, key_generation=before.key_generation + 1)
        tx.outposts.put(after)
        act = Act(
            act_id=named("outpost key", outpost_id, after.key_generation),
            what="take the key of an outpost away",
            before=f"key {before.key_generation}",
            after=f"key {after.key_generation}",
        )
        audit = entry_about(
            f"outpost {outpost_id}", actor, act, organisation_id=before.organisation_id, now=now
        )
        tx.put_audit([audit])
    return after


def is_line_of(end: Endpoint, outpost: Outpost) -> bool:
    """Tell whether an end is a line of an outpost: by its address, and of the same organisation.

    Whoever may enter ends for themselves must not get another one's line, nor its journal their meters.
    """
    name, _, _ = end.address.rpartition("/")
    is_named = end.bearer is Bearer.OUTPOST and name == outpost.outpost_id
    return is_named and end.organisation_id == outpost.organisation_id


def _end(outpost: Outpost, line: int, *, baud: int) -> Endpoint:
    return Endpoint(
        endpoint_id=f"{outpost.outpost_id}-{line}",
        organisation_id=outpost.organisation_id,
        road=RoadKind.RS485,
        bearer=Bearer.OUTPOST,
        address=f"{outpost.outpost_id}/{line}",
        baud=baud,
    )
