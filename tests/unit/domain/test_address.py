"""Where a person is reached: one form per channel, and no way to make us knock elsewhere."""

import pytest

from compuerta.domain.address import AddressFaulty, masked, require_address
from compuerta.domain.contact import Channel


@pytest.mark.parametrize(
    ("channel", "text", "kept"),
    [
        (Channel.SMS, " +86 138-0013 8000 ", "+8613800138000"),
        (Channel.SMS, "13800138000", "+8613800138000"),
        (Channel.SMS, "+34 600 123 456", "+34600123456"),
        (Channel.EMAIL, "ana@example.org", "ana@example.org"),
        (Channel.WECHAT, "oABC-123_xyz", "oABC-123_xyz"),
        (Channel.WEBHOOK, "user:4711@app", "user:4711@app"),
        (Channel.APPRISE, "night-shift", "night-shift"),
    ],
)
def test_an_address_is_kept_in_one_form(channel: Channel, text: str, kept: str) -> None:
    assert require_address(channel, text) == kept


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        (Channel.SMS, "12345"),
        (Channel.SMS, "+86 call me"),
        (Channel.SMS, "+８６13800138000"),
        (Channel.EMAIL, "nobody"),
        (Channel.EMAIL, "=?utf-8?q?a=0d=0aBcc=3a_b?=@example.org"),
        (Channel.EMAIL, "ana@example.org\nBcc: all@example.org"),
        (Channel.WECHAT, "o p"),
        (Channel.WEBHOOK, "http://169.254.169.254/"),
        (Channel.APPRISE, "mailto://user:word@example.org"),
        (Channel.EMAIL, "a" * 65 + "@example.org"),
    ],
)
def test_what_is_no_address_is_refused_with_the_field_named(channel: Channel, text: str) -> None:
    with pytest.raises(AddressFaulty) as refused:
        require_address(channel, text)

    assert refused.value.field == "address"
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+8613800131234", "+86*******1234"),
        ("ana@example.org", "a***@example.org"),
        ("oABC-123_xyz", "oA***"),
    ],
)
def test_logs_show_too_little_of_an_address_to_use_it(address: str, shown: str) -> None:
    assert masked(address) == shown
