"""Our own broker's post office: whom a message is for, how long it waits, and what is given again."""

import pytest

from compuerta.virtual.broker import post
from compuerta.virtual.broker.post import Box, PostOffice, matches
from compuerta.virtual.broker.rights import PLATFORM, may_publish, may_subscribe
from compuerta.wire.mqtt.packets import PubAck, Publish, Subscribe


def a_box(office: PostOffice, client_id: str, *filters: str) -> Box:
    box, _ = office.open_box(client_id, user=client_id, clean_start=False, now_ms=0)
    asked = Subscribe(packet_id=1, filters=tuple((each, 1) for each in filters))
    office.subscribe(box, asked, may=lambda _: True)
    box.session_expiry_s = 100
    return box


def a_message(payload: bytes = b"p", *, topic: str = "a/b", expiry_s: int | None = None) -> Publish:
    return Publish(topic=topic, payload=payload, qos=1, packet_id=9, expiry_s=expiry_s)


def test_what_is_over_is_not_given_and_the_rest_says_what_is_left_of_it() -> None:
    office = PostOffice()
    box = a_box(office, "one", "a/b")
    office.post(a_message(b"short", expiry_s=1), now_ms=0)
    office.post(a_message(b"long", expiry_s=9), now_ms=0)
    office.post(a_message(b"ever"), now_ms=0)

    given = [(each.payload, each.expiry_s) for each in office.due(box, now_ms=1_000)]

    assert given == [(b"long", 8), (b"ever", None)]


def test_what_was_not_acknowledged_comes_again_first_when_its_client_comes_back() -> None:
    office = PostOffice()
    box = a_box(office, "one", "a/b")
    for payload in (b"1", b"2"):
        office.post(a_message(payload), now_ms=0)
    first, _ = office.due(box, now_ms=0)
    office.acknowledged(box, PubAck(packet_id=first.packet_id))
    office.leave(box, now_ms=0)
    office.post(a_message(b"3"), now_ms=1)

    again, was_there = office.open_box("one", user="one", clean_start=False, now_ms=2)

    assert was_there
    assert [each.payload for each in office.due(again, now_ms=2)] == [b"2", b"3"]


@pytest.mark.parametrize(
    ("clean_start", "user", "now_ms"), [(True, "one", 1), (False, "two", 1), (False, "one", 100_000)]
)
def test_a_session_ends_by_wish_by_another_user_or_by_time(clean_start: bool, user: str, now_ms: int) -> None:
    office = PostOffice()
    office.leave(a_box(office, "one", "a/b"), now_ms=0)
    office.post(a_message(), now_ms=0)

    box, was_there = office.open_box("one", user=user, clean_start=clean_start, now_ms=now_ms)

    assert not was_there
    assert office.due(box, now_ms=now_ms) == []


def test_a_group_shares_and_who_is_here_comes_before_who_is_away() -> None:
    office = PostOffice()
    one, two = (a_box(office, name, "$share/g/a/+") for name in ("one", "two"))

    for _ in range(4):
        office.post(a_message(), now_ms=0)
    assert (len(one.waiting), len(two.waiting)) == (2, 2)

    office.leave(one, now_ms=0)
    office.post(a_message(), now_ms=0)
    office.post(a_message(), now_ms=0)
    assert (len(one.waiting), len(two.waiting)) == (2, 4)


def test_no_more_is_given_at_once_or_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "QUEUE_MAX", 20)
    office = PostOffice()
    box = a_box(office, "one", "a/b")
    box.receive_max = 3
    for _ in range(25):
        office.post(a_message(), now_ms=0)

    assert len(box.waiting) == 20
    assert len(office.due(box, now_ms=0)) == 3
    assert office.due(box, now_ms=0) == []


@pytest.mark.parametrize(
    ("wanted", "topic", "is_met"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("#", "a", True),
        ("a/b/c", "a/b", False),
        ("+/+", "a", False),
    ],
)
def test_a_filter_means_what_the_standard_says(wanted: str, topic: str, is_met: bool) -> None:
    assert matches(wanted, topic) is is_met


def test_a_device_says_and_hears_its_own_and_nothing_else() -> None:
    assert may_publish("mq-1", "pm/v1/1/mq-1/up")
    assert may_subscribe("mq-1", "pm/v1/1/mq-1/cmd")
    assert may_publish("mq-1", "/gw/acrelHW/a/b/mq-1")
    assert may_subscribe("mq-1", "/server/acrelHW/a/b/mq-1")
    for topic in (
        "pm/v1/1/mq-2/up",
        "pm/v1/1/mq-1/cmd",
        "pm/v1/1/mq-1/up/x",
        "other/v1/1/mq-1/up",
        "x",
        "/server/acrelHW/a/b/mq-1",
        "/gw/acrelHW/a/b/mq-2",
        "/gw/acrelHW/a/b/mq-1/x",
    ):
        assert not may_publish("mq-1", topic)
    for wanted in (
        "pm/v1/1/mq-2/cmd",
        "pm/v1/1/+/cmd",
        "pm/v1/+/mq-1/cmd",
        "pm/v1/1/mq-1/up",
        "#",
        "pm/v1/1/mq-1/#",
        "/server/acrelHW/a/b/mq-2",
        "/server/acrelHW/a/b/+",
    ):
        assert not may_subscribe("mq-1", wanted)


def test_the_platform_hears_all_and_says_only_what_is_its_own() -> None:
    assert may_subscribe(PLATFORM, "#")
    assert may_publish(PLATFORM, "pm/v1/1/mq-1/cmd")
    assert may_publish(PLATFORM, "/server/acrelHW/a/b/mq-1")
    assert not may_publish(PLATFORM, "/gw/acrelHW/a/b/mq-1")
    assert not may_publish(PLATFORM, "x")
