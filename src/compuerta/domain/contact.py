"""Contacts: by which channel a person is reached, in which language, and about what."""

from enum import Enum
from typing import Final

CODE_DIGITS: Final = 6
CODE_TRIES_MAX: Final = 5  # one code in 200,000 is guessed


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
    DAILY_REPORT = "daily_report"


RESIDENTS_TOPICS: Final = frozenset({Topic.WARNING, Topic.SUPPLY, Topic.PAYMENT})
