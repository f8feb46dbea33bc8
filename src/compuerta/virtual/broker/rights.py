"""Who may come, say and hear: the rules that mosquitto gets as files, for our own broker."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PLATFORM: Final = "platform"  # the user that gateways and ingests come as
ROOT: Final = ("pm", "v1")
LEVELS: Final = 5  # pm, v1, tenant, device, direction
_DEVICE_SAYS: Final = frozenset({"up", "ev", "rsp"})
_DEVICE_HEARS: Final = frozenset({"cmd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guests:
    """Users with their words."""

    words: Mapping[str, str]

    def knows(self, user: str, password: bytes) -> bool:
        """Tell whether somebody may come."""
        return user in self.words and hmac.compare_digest(self.words[user].encode(), password)


def may_publish(user: str, topic: str) -> bool:
    """Tell whether a user may say something under a topic."""
    levels = topic.split("/")
    if user == PLATFORM:
        return levels[:2] == [*ROOT] or levels[:2] == ["", "server"]
    if levels[:3] == ["", "gw", "acrelHW"]:
        return levels[5:] == [user]
    return _is_own(user, levels) and levels[4] in _DEVICE_SAYS


def may_subscribe(user: str, wanted: str) -> bool:
    """Tell whether a user may hear what a filter names; a device hears its commands and nothing else."""
    levels = wanted.split("/")
    if user == PLATFORM:
        return True
    if levels[:3] == ["", "server", "acrelHW"]:
        return levels[5:] == [user]
    return _is_own(user, levels) and levels[2] not in "+#" and levels[4] in _DEVICE_HEARS


def _is_own(user: str, levels: list[str]) -> bool:
    return len(levels) == LEVELS and tuple(levels[:2]) == ROOT and levels[3] == user
