"""Contacts: where a person is reached, in which language, and about what.

An address is read once, at the door: a phone number that is none, or a mailbox that is none, is refused with
the field named. What is shown in lists and logs is masked, so that a stranger learns nobody's number.
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from compuerta.domain.errors import Refused

ADDRESS_CHARACTERS_MAX: Final = 320  # 64 before the @, 255 after it (RFC 5321 4.5.3.1)
CODE_TRIES_MAX: Final = 5  # of a code of six digits: one in 200,000 is guessed
# ITU-T E.164: a plus, a country code that does not begin with 0, 15 digits at most; none is shorter than 7.
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_MAILBOX = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}", re.ASCII
)
_URL = re.compile(r"https?://[^\s/]+(/\S*)?", re.ASCII)
_TARGET = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.ASCII)
_OPEN_ID = re.compile(r"[A-Za-z0-9_-]{6,64}", re.ASCII)
_MARKS = re.compile(r"[ ().-]")  # as people write phone numbers


class AddressMalformed(Refused):
    """An address at which nobody can be reached."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"address: {reason}")
        self.field = "address"
        self.reason = reason


class Channel(Enum):
    """A way to a person."""

    SMS = "sms"
    EMAIL = "email"
    WECHAT = "wechat"
    WEBHOOK = "webhook"  # an app of the landlord's
    APPRISE = "apprise"  # staff only: a chat room, a pager


class Language(Enum):
    """A language that we speak."""

    ENGLISH = "en"
    SPANISH = "es"
    CHINESE = "zh-hans"


class Topic(Enum):
    """What somebody wants to be told about."""

    WARNING = "warning"
    SUPPLY = "supply"
    PAYMENT = "payment"
    ALARM = "alarm"


RESIDENTS_TOPICS: Final = frozenset({Topic.WARNING, Topic.SUPPLY, Topic.PAYMENT})
_FORMS: Mapping[Channel, tuple[re.Pattern[str], str]] = MappingProxyType(
    {
        Channel.SMS: (_PHONE, "write a phone number with its country, such as +86 138 0013 8000"),
        Channel.EMAIL: (_MAILBOX, "write an e-mail address such as ana@example.org"),
        Channel.WECHAT: (_OPEN_ID, "write the OpenID that the service account knows the person by"),
        Channel.WEBHOOK: (_URL, "write a web address such as https://app.example.org/notices"),
        Channel.APPRISE: (_TARGET, "write a target such as mailtos://... or tgram://..."),
    }
)


def address_of(channel: Channel, text: str) -> str:
    """Return an address as it is kept, phones in E.164; raises `AddressMalformed` where it is none."""
    stripped = text.strip()
    kept = _MARKS.sub("", stripped) if channel is Channel.SMS else stripped
    form, told = _FORMS[channel]
    if len(kept) > ADDRESS_CHARACTERS_MAX or form.fullmatch(kept) is None:
        raise AddressMalformed(told)
    return kept


def masked(channel: Channel, address: str) -> str:
    """Return an address as lists and logs show it: enough to know one's own, too little to use another's."""
    match channel:
        case Channel.SMS:
            return f"{address[:3]}…{address[-2:]}"
        case Channel.EMAIL:
            name, _, host = address.partition("@")
            return f"{name[:1]}…@{host}"
        case Channel.WECHAT:
            return f"…{address[-4:]}"
        case Channel.WEBHOOK | Channel.APPRISE:
            scheme, _, rest = address.partition("://")
            host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
            return f"{scheme}://{host if channel is Channel.WEBHOOK else ''}…"
