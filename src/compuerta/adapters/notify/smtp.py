"""E-mail by SMTP: one connection per letter, its Message-ID made from the message id.

A server that goes silent after the end of DATA may have the letter: RFC 5321 gives no way to ask, and a mail
that comes twice is what RFC 1047 warns of. So what was handed over without an answer is not sent again.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from enum import Enum
from ssl import SSLContext
from typing import Final

import aiosmtplib

from compuerta.adapters.notify.answers import told
from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.payment_ports import Chance

LETTER_S_MAX: Final = 30.0  # from connecting to the end of DATA
GOODBYE_S_MAX: Final = 1.0  # the letter is told for by then


class Security(Enum):
    """How the connection is kept from listeners."""

    NONE = "none"  # only for a server on the same machine
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """A mail server, and how we are known there."""

    host: str
    port: int
    security: Security
    sender: str  # such as "Casa <no-reply@example.org>"
    user: str = ""
    password: str = field(default="", repr=False)
    trust: SSLContext | None = None  # None: the system's authorities
    letter_s_max: float = LETTER_S_MAX


class _Step(Enum):
    """How far a letter came."""

    GREETING = "greeting"
    SENDER = "sender"
    RECIPIENT = "recipient"
    WORDS = "words"


class SmtpMail:
    """See `carrier.Carrier`."""

    repeat_within = timedelta(0)

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._sender_address = parseaddr(settings.sender)[1]

    async def send(self, letter: Letter, *, now: datetime, chance: Chance) -> Sent:
        """Hand a letter to the mail server."""
        try:
            message = self._message(letter, now=now)
            content = message.as_bytes()
        except (ValueError, LookupError, MessageError) as error:
            return Sent(verdict=Verdict.REFUSED, detail=f"no mail can be made of it: {type(error).__name__}")
        post = _Posting(self._settings, self._sender_address, letter.address)
        try:
            async with asyncio.timeout(self._settings.letter_s_max):
                await post.deliver(content)
        except aiosmtplib.SMTPResponseException as error:
            return _refused(post.step, error)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return _silent(post.step, error)
        finally:
            await post.hang_up()
        return Sent(verdict=Verdict.ACCEPTED, provider_id=message["Message-ID"], detail="250")

    def _message(self, letter: Letter, *, now: datetime) -> EmailMessage:
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self._settings.sender
        message["To"] = letter.address
        message["Subject"] = _in_one_line(letter.subject)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{letter.message_id}@{self._sender_address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notices, please
        if letter.opt_out_url:
            message["List-Unsubscribe"] = f"<{letter.opt_out_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
        message.set_content(letter.body)
        return message


class _Posting:
    """One letter's way to the server; `step` is where it is."""

    def __init__(self, settings: SmtpSettings, sender: str, recipient: str) -> None:
        self.step = _Step.GREETING
        self._settings = settings
        self._sender = sender
        self._recipient = recipient
        self._server = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security is Security.TLS,
            start_tls=settings.security is Security.STARTTLS,  # refused where it is not offered
            tls_context=settings.trust,
            timeout=settings.letter_s_max,
        )

    async def deliver(self, message: bytes) -> None:
        await self._server.connect()
        if self._settings.user:
            await self._server.login(self._settings.user, self._settings.password)
        self.step = _Step.SENDER
        await self._server.mail(self._sender)
        self.step = _Step.RECIPIENT
        await self._server.rcpt(self._recipient)
        self.step = _Step.WORDS
        await self._server.data(message)

    async def hang_up(self) -> None:
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S_MAX):
                await self._server.quit()
        self._server.close()


def _in_one_line(subject: str) -> str:
    """Return a subject that stays one header: without line breaks, and without encoded words of its own.

    Python reads an encoded word (RFC 2047) in what it is given, and writes the line breaks out that it hides.
    """
    return " ".join(subject.split()).replace("=?", "= ?")


def _refused(step: _Step, error: aiosmtplib.SMTPResponseException) -> Sent:
    """Return the verdict on a server's no: RFC 5321 4.2.1, 4xx may be taken later, 5xx never."""
    if not 400 <= error.code < 600:  # no reply that SMTP has
        return _silent(step, error)
    about_letter = step in {_Step.RECIPIENT, _Step.WORDS}
    verdict = Verdict.REFUSED if about_letter and error.code >= 500 else Verdict.LATER
    # A recipient's server may repeat the address in its words.
    return Sent(verdict=verdict, detail=f"{step.value}: {error.code}", healthy=about_letter)


def _silent(step: _Step, error: Exception) -> Sent:
    verdict = Verdict.UNKNOWN if step is _Step.WORDS else Verdict.LATER
    return Sent(verdict=verdict, detail=told(step.value, type(error).__name__), healthy=False)
