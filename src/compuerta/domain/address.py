"""Addresses: where a person is reached, by channel; each has one form, and one way to be shown in logs.

An address that a person may choose is never the address of a machine: an app is told by the app's own name of
the person, staff by the name of a target in channels.json, so that nobody can make us knock where they like,
and no row holds a key.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from compuerta.domain.contact import Channel
from compuerta.domain.errors import Refused

ADDRESS_CHARS_MAX: Final = 254  # RFC 5321 4.5.3.1.3, less the brackets
_SHOWN: Final = 4  # of a phone's digits, as on a bank's slip
_MARKS = re.compile(r"[ ().-]")  # as people write phone numbers
_MOBILE_CN = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_FORMS: Mapping[Channel, tuple[re.Pattern[str], str]] = MappingProxyType(
    {
        Channel.SMS: (
            re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII),  # ITU-T E.164
            "write a phone number with its country, such as +86 138 0013 8000",
        ),
        Channel.EMAIL: (
            # Nothing that a header would take for an encoded word (RFC 2047): it may hide a line break.
            re.compile(
                r"(?!.*=\?)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}",
                re.ASCII,
            ),
            "write an e-mail address such as ana@example.org",
        ),
        Channel.WECHAT: (
            re.compile(r"[A-Za-z0-9_-]{6,64}", re.ASCII),
            "write the OpenID that the service account knows the person by",
        ),
        Channel.WEBHOOK: (
            re.compile(r"[A-Za-z0-9_.@:-]{1,128}", re.ASCII),
            "write the app's own name of the person: letters, digits and _.@:-",
        ),
        Channel.APPRISE: (
            re.compile(r"[a-z0-9_-]{1,64}", re.ASCII),
            "write the name of a target in channels.json: a-z, 0-9, _ and -",
        ),
    }
)


class AddressFaulty(Refused):
    """An address that cannot be one of its channel; it may be personal, and is not repeated."""

    def __init__(self, channel: Channel, reason: str) -> None:
        super().__init__(f"address: {reason}")
        self.field = "address"
        self.channel = channel
        self.reason = reason


def require_address(channel: Channel, text: str) -> str:
    """Return an address in its one form, phones in E.164; raises `AddressFaulty` where it is none."""
    stripped = text.strip()
    kept = _phone(stripped) if channel is Channel.SMS else stripped
    form, reason = _FORMS[channel]
    if len(kept) > ADDRESS_CHARS_MAX or not form.fullmatch(kept):
        raise AddressFaulty(channel, reason)
    return kept


def masked(address: str) -> str:
    """Return an address as lists and logs show it: enough to know one's own, too little to use another's."""
    if address.startswith("+"):
        return f"{address[:3]}{'*' * (len(address) - 3 - _SHOWN)}{address[-_SHOWN:]}"
    name, at, host = address.rpartition("@")
    return f"{name[:1]}***@{host}" if at else f"{address[:2]}***"


def _phone(text: str) -> str:
    """Return a phone without the marks of people's writing; what is a mobile in China gets its country."""
    digits = _MARKS.sub("", text)
    return f"+86{digits}" if _MOBILE_CN.fullmatch(digits) else digits
