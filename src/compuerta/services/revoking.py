"""Keys of road ends that are lost or stolen: taken back, with a name and a reason."""

from datetime import datetime

from compuerta.domain.errors import Refused
from compuerta.domain.naming import named
from compuerta.domain.party import Bearer
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store


class EndUnknown(Refused):
    """No end of a bearer is entered under this name."""

    def __init__(self, bearer: Bearer, address: str) -> None:
        super().__init__(f"no end {address!r} of {bearer.value} is entered")
        self.bearer = bearer
        self.address = address


def revoke(store: Store, bearer: Bearer, address: str, actor: Actor, *, now: datetime) -> Endpoint:
    """Take an end's key away; returns the end with the generation of its next key.

    Gateways learn of it within seconds, and end the session that was opened with the old one.
    """
    require_reason(actor)
    with store.transaction() as tx:
        before = next((end for end in tx.endpoints() if (end.bearer, end.address) == (bearer, address)), None)
        if before is None:
            raise EndUnknown(bearer, address)
        generation = tx.roads.renew_key(before.endpoint_id)
        act = Act(
            act_id=named("end key", before.endpoint_id, generation),
            what="take the key of a road end away",
            before=f"key {before.key_generation}",
            after=f"key {generation}",
        )
        subject = f"end {before.endpoint_id}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=before.organisation_id, now=now)])
        return next(end for end in tx.endpoints() if end.endpoint_id == before.endpoint_id)
