"""Signatures of carriers: Aliyun's own worked example, to the last bit, and our webhooks'."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import NOON

from compuerta.wire.aliyun import signature as aliyun
from compuerta.wire.webhook import signature as webhook

# Aliyun OpenAPI, "V3 request body and signature mechanism", the example with fixed parameters.
EXAMPLE = aliyun.Request(
    method="POST",
    path="/",
    query={"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"},
    headers={
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-version": "2014-05-26",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-content-sha256": aliyun.body_hash(b""),
    },
)
SIGNATURE = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_aliyuns_own_example_is_signed_as_they_sign_it() -> None:
    header = aliyun.authorization(EXAMPLE, key_id="YourAccessKeyId", secret=b"YourAccessKeySecret")

    parts = aliyun.read(header)
    assert parts is not None
    assert (parts.key_id, parts.signature) == ("YourAccessKeyId", SIGNATURE)
    assert header.startswith("ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;")


@pytest.mark.parametrize(
    "changed",
    [
        replace(EXAMPLE, method="GET"),
        replace(EXAMPLE, path="/x"),
        replace(EXAMPLE, query={**EXAMPLE.query, "RegionId": "cn-shanghai "}),
        replace(EXAMPLE, headers={**EXAMPLE.headers, "x-acs-date": "2023-10-26T10:22:33Z"}),
        replace(EXAMPLE, body=b"x"),
    ],
)
def test_whatever_is_changed_changes_the_signature(changed: aliyun.Request) -> None:
    signed = aliyun.signed_headers(EXAMPLE.headers)

    assert aliyun.signature_of(changed, signed=signed, secret=b"YourAccessKeySecret") != SIGNATURE


@pytest.mark.parametrize(
    "header", ["", "Bearer x", "ACS3-HMAC-SHA256 Credential=,SignedHeaders=a,Signature=b"]
)
def test_what_is_no_signature_is_none(header: str) -> None:
    assert aliyun.read(header) is None


def test_a_webhook_is_genuine_for_five_minutes_by_its_own_key_and_body() -> None:
    header = webhook.header_of(b"words", key=b"key", now=NOON)

    assert webhook.is_genuine(b"words", header, key=b"key", now=NOON + timedelta(minutes=5))
    assert not webhook.is_genuine(b"words", header, key=b"key", now=NOON + timedelta(minutes=6))
    assert not webhook.is_genuine(b"wordS", header, key=b"key", now=NOON)
    assert not webhook.is_genuine(b"words", header, key=b"other", now=NOON)
    assert not webhook.is_genuine(b"words", "t=1", key=b"key", now=NOON)
