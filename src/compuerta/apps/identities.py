"""Identities: which provider accounts can tell who opens a page, so that they are paid inside their own app.

A `wechat` entry of providers.json that has the secret of its service account, `"app_secret": "app.key"`, can;
`authorise_url` and `identity_url` are for trials.
"""

from collections.abc import Mapping
from pathlib import Path

from compuerta.adapters.payments.wechat_identity import AUTHORISE_URL, IDENTITY_URL, WechatIdentity
from compuerta.apps.entries import Entry, entries_in


def identities_in(path: Path) -> Mapping[str, WechatIdentity]:
    """Return the accounts of a file that tell who opens a page, by name."""
    return {entry.name: _identity(entry) for entry in entries_in(path) if "app_secret" in entry.fields}


def _identity(entry: Entry) -> WechatIdentity:
    secret = entry.file("app_secret", entry.text("app_secret"))
    return WechatIdentity(
        appid=entry.text("appid"),
        secret=secret.decode("ascii", errors="replace").strip(),
        authorise_url=entry.url("authorise_url") if "authorise_url" in entry.fields else AUTHORISE_URL,
        identity_url=entry.url("identity_url") if "identity_url" in entry.fields else IDENTITY_URL,
    )
