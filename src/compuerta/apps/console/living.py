"""Who lives at a place: a phone that has typed a code which went to a confirmed contact of its account.

The proof is a signed cookie that names the account and the contact: it is worth nothing at the account of who
moves in next, and ends when the contact is removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from compuerta.apps import wiring
from compuerta.apps.console import work
from compuerta.apps.console.histories import PayPlace
from compuerta.domain.contact import CODE_DIGITS
from compuerta.services import proving
from compuerta.services.message_port import Contact

PROVED_FOR: Final = timedelta(days=180)
_SALT: Final = "who lives there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What is known of whoever reads a resident's page."""

    contacts: Sequence[Contact]  # of the account, confirmed
    is_proved: bool  # that they live there

    @property
    def may_add(self) -> bool:
        """Whether they may have a code sent to a new address: the sticker is enough for the first."""
        return self.is_proved or not self.contacts


def reader(request: HttpRequest, place: PayPlace) -> Reader:
    """Return what is known of whoever reads a page of a place."""
    with work.store() as store, store.transaction() as tx:
        contacts = proving.vouching(tx.messages.contacts_of([place.account_id]))
    shown = request.get_signed_cookie(
        _cookie(place), default="", salt=_SALT, max_age=int(PROVED_FOR.total_seconds())
    )
    return Reader(contacts=contacts, is_proved=shown in {each.contact_id.hex for each in contacts})


def keep(response: HttpResponseBase, place: PayPlace, pay_token: UUID, contact_id: UUID) -> None:
    """Let a phone show from now on that a contact of a place is its owner's."""
    response.set_signed_cookie(
        _cookie(place),
        contact_id.hex,
        salt=_SALT,
        max_age=int(PROVED_FOR.total_seconds()),
        path=reverse("pay", args=[pay_token]),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def a_code() -> str:
    """Return a new code, as it is sent."""
    return f"{int.from_bytes(wiring.chance(8), 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def _cookie(place: PayPlace) -> str:
    return f"lives_{place.account_id}"  # the signature is of the name, too
