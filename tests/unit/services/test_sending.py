"""Words leave the outbox: tried within bounds, told elsewhere, never lost in silence, never said twice."""

import itertools
from datetime import timedelta

import pytest
from tests.unit.services.post import (
    ACCEPTED,
    LATER,
    REFUSED,
    UNKNOWN,
    UNWANTED,
    Post,
    accepting,
    down,
)
from tests.unit.services.town import NOON, an_id

from compuerta.domain.contact import Channel, Language
from compuerta.services import receiving, sending
from compuerta.services.acting import Actor
from compuerta.services.message_port import MessageState
from compuerta.services.receiving import Receipt
from compuerta.services.sending import LEASE, Outcome

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ANA = Actor(who="ana", why="link", origin="mail")


def test_a_message_that_is_taken_is_sent_with_the_carriers_id_and_the_words_as_they_left() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.EMAIL))

    post.round(accepting)

    kept = post.one(message.message_id)
    assert (kept.state, kept.provider_id) == (MessageState.SENT, f"p-{message.message_id}")
    assert kept.body == "low: pay at https://casa.example/pay"
    assert kept.lease_until is None


def test_a_message_that_was_taken_is_not_handed_over_again() -> None:
    post = Post()
    post.says(post.has_contact(Channel.EMAIL))

    post.runs_for(HOUR, accepting)

    assert len(post.handed_over) == 1


def test_a_carrier_that_is_down_is_tried_within_bounds_and_then_somebody_else_is_told() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    post.has_contact(Channel.EMAIL)

    post.runs_for(3 * HOUR, down(Channel.SMS))

    by_sms = [each for each in post.handed_over if each.channel is Channel.SMS]
    assert len(by_sms) == len(sending.BACK_OFF) + 1
    assert post.states() == {"sms": MessageState.FAILED, "email": MessageState.SENT}
    assert post.one(message.message_id).last_answer == "busy"
    assert not post.alarms("message_undelivered")


def test_what_is_urgent_is_told_elsewhere_within_two_minutes() -> None:
    post = Post()
    post.says(post.has_contact(Channel.SMS), urgent=True)
    post.has_contact(Channel.EMAIL)

    post.runs_for(2 * MINUTE, down(Channel.SMS))

    assert post.states() == {"sms": MessageState.FAILED, "email": MessageState.SENT}


def test_a_carrier_that_comes_back_in_time_gets_the_message_once() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    post.has_contact(Channel.EMAIL)

    post.runs_for(5 * MINUTE, down(Channel.SMS))
    post.runs_for(HOUR, accepting)

    assert post.one(message.message_id).state is MessageState.SENT
    assert post.states() == {"sms": MessageState.SENT}


def test_who_has_no_contact_left_is_an_alarm_and_not_a_silence() -> None:
    post = Post()
    post.says(post.has_contact(Channel.SMS))

    post.round(lambda _: REFUSED)

    assert post.states() == {"sms": MessageState.FAILED}
    assert post.alarms("message_undelivered") == [f"account {post.town.homes[0].account_id}"]


def test_contacts_are_told_in_the_order_of_the_policy_and_each_once() -> None:
    post = Post()
    post.policy('{"channels": ["sms", "webhook", "email"]}')
    post.says(post.has_contact(Channel.SMS))
    post.has_contact(Channel.EMAIL)
    post.has_contact(Channel.WEBHOOK)

    for _ in range(3):
        post.round(lambda _: REFUSED)

    told = [each.channel for each in post.handed_over]
    assert told == [Channel.SMS, Channel.WEBHOOK, Channel.EMAIL]
    assert post.round(accepting) == []


def test_a_contact_that_was_told_of_the_occasion_is_not_told_again_when_another_fails() -> None:
    post = Post()
    post.says(post.has_contact(Channel.SMS))
    post.says(post.has_contact(Channel.EMAIL))

    post.round(lambda each: REFUSED if each.channel is Channel.SMS else accepting(each))
    post.runs_for(HOUR, accepting)

    assert len(post.handed_over) == 2


@pytest.mark.parametrize("owner", ["worker", "another"])
def test_a_worker_that_dies_between_sending_and_writing_it_never_makes_a_text_come_twice(owner: str) -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    post.has_contact(Channel.EMAIL)
    lost = post.claims()

    post.now += LEASE
    post.round(accepting, owner=owner)
    post.round(accepting, owner=owner)

    assert [each.channel for each in (*lost, *post.handed_over)] == [Channel.SMS, Channel.EMAIL]
    assert "in doubt" in post.one(message.message_id).last_answer


def test_a_carrier_that_knows_the_message_by_its_id_gets_it_again_after_a_crash() -> None:
    post = Post(repeat_within=timedelta(days=2))
    message = post.says(post.has_contact(Channel.WEBHOOK))
    post.claims()

    post.now += LEASE
    (again,) = post.round(accepting)

    assert again.letter.message_id == message.message_id
    assert post.one(message.message_id).state is MessageState.SENT


def test_what_may_be_on_its_way_is_not_sent_again_by_the_same_channel() -> None:
    post = Post()
    post.says(post.has_contact(Channel.EMAIL))
    post.has_contact(Channel.SMS)

    post.runs_for(HOUR, lambda each: UNKNOWN if each.channel is Channel.EMAIL else accepting(each))

    assert [each.channel for each in post.handed_over] == [Channel.EMAIL, Channel.SMS]


def test_doubt_is_tried_again_only_while_the_carrier_knows_the_id() -> None:
    post = Post(repeat_within=timedelta(minutes=10))
    message = post.says(post.has_contact(Channel.WECHAT))
    tried_at = []

    def unknown(_: object) -> object:
        tried_at.append(post.now)
        return UNKNOWN

    post.runs_for(3 * HOUR, unknown)  # type: ignore[arg-type]

    assert len(tried_at) > 1
    assert tried_at[-1] - tried_at[0] < timedelta(minutes=10)
    assert post.one(message.message_id).state is MessageState.FAILED


def test_an_answer_that_comes_after_the_lease_still_counts_as_sent() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    (late,) = post.claims("slow")
    post.now += LEASE
    post.round(accepting, owner="quick")
    assert post.one(message.message_id).state is MessageState.FAILED

    post.concludes([Outcome(handover=late, sent=ACCEPTED)], owner="slow")

    assert post.one(message.message_id).state is MessageState.SENT


def test_a_failure_that_comes_after_the_lease_changes_nothing() -> None:
    post = Post(repeat_within=timedelta(days=2))
    message = post.says(post.has_contact(Channel.WEBHOOK))
    (late,) = post.claims("slow")
    post.now += LEASE
    post.round(accepting, owner="quick")

    post.concludes([Outcome(handover=late, sent=LATER)], owner="slow")

    assert post.one(message.message_id).state is MessageState.SENT


def test_several_that_wait_for_one_mailbox_become_one_mail_and_urgent_ones_go_alone() -> None:
    post = Post()
    contact = post.has_contact(Channel.EMAIL)
    parts = [post.says(contact, name) for name in ("fifty", "twenty", "ten")]
    post.says(contact, "cut", urgent=True)

    first = post.round(accepting)
    second = post.round(accepting)

    assert [each.letter.subject for each in first] == ["cut"]
    (digest,) = second
    assert all(word in digest.letter.body for word in ("fifty", "twenty", "ten"))
    assert {post.one(part.message_id).state for part in parts} == {MessageState.DIGESTED}
    assert post.round(accepting) == []


def test_texts_are_never_digested_since_their_words_are_approved_ones() -> None:
    post = Post()
    contact = post.has_contact(Channel.SMS)
    for name in ("fifty", "twenty"):
        post.says(contact, name)

    assert len(post.round(accepting)) == 2


def test_one_code_a_minute_goes_to_a_number_and_five_an_hour() -> None:
    post = Post()
    contact = post.has_contact(Channel.SMS)
    sent_at = []
    for number in range(8):
        post.says(contact, f"code {number}", urgent=True, template="confirm")
    for _ in range(6 * 60):
        sent_at += [post.now for _ in post.round(accepting)]
        post.now += timedelta(seconds=10)

    assert len(sent_at) == 5
    assert all(later - sooner >= MINUTE for sooner, later in itertools.pairwise(sent_at))


def test_the_fifty_first_text_of_a_day_waits_and_an_urgent_one_goes_elsewhere() -> None:
    post = Post()
    contact = post.has_contact(Channel.SMS)
    post.has_contact(Channel.EMAIL)
    for number in range(50):
        post.says(contact, f"notice {number}")
    post.round(accepting)
    waits = post.says(contact, "notice 51")
    urgent = post.says(contact, "cut", urgent=True)

    post.round(accepting)
    (elsewhere,) = post.round(accepting)

    assert post.one(waits.message_id).state is MessageState.WAITING
    assert post.one(waits.message_id).tries == 0
    assert post.one(urgent.message_id).state is MessageState.FAILED
    assert (elsewhere.channel, elsewhere.letter.subject) == (Channel.EMAIL, "cut")


def test_who_told_the_carrier_to_stop_is_told_nothing_more() -> None:
    post = Post()
    contact = post.has_contact(Channel.WECHAT)
    post.says(contact, "first")
    post.round(lambda _: UNWANTED)
    later = post.says(contact, "second")

    assert post.round(accepting) == []
    assert post.one(later.message_id).state is MessageState.DROPPED


def test_nothing_but_its_code_goes_to_an_address_that_nobody_has_confirmed() -> None:
    post = Post()
    contact = post.has_contact(Channel.EMAIL)
    unconfirmed = post.store.tables.contacts[contact.contact_id]
    with post.store.transaction() as tx:
        from dataclasses import replace

        tx.messages.save_contact(replace(unconfirmed, confirmed_at=None, code="123456"))
    post.says(contact, "low")
    post.says(contact, "code", urgent=True, template="confirm")

    assert [each.letter.template for each in post.round(accepting)] == ["confirm"]


def test_a_code_that_cannot_be_sent_is_not_told_to_anybody_else() -> None:
    post = Post()
    post.says(post.has_contact(Channel.SMS), urgent=True, template="confirm")
    post.has_contact(Channel.EMAIL)

    post.round(lambda _: REFUSED)

    assert post.states() == {"sms": MessageState.FAILED}


def test_a_receipt_before_we_have_written_that_it_was_sent_is_kept() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    (handover,) = post.claims()

    known = receiving.receipts(post.store, [a_receipt(message.message_id)], now=post.now)
    post.concludes([Outcome(handover=handover, sent=ACCEPTED)])

    kept = post.one(message.message_id)
    assert known == [True]
    assert (kept.state, kept.provider_id, kept.lease_until) == (MessageState.DELIVERED, "p-1", None)


def test_a_receipt_by_the_carriers_id_ends_a_message_and_a_second_one_changes_nothing() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    post.round(lambda _: ACCEPTED)

    by_name = Receipt(channel=Channel.SMS, provider_id="p-1", delivered=True, at=post.now)
    receiving.receipts(post.store, [by_name], now=post.now)
    failed = Receipt(channel=Channel.SMS, provider_id="p-1", delivered=False, at=post.now)
    receiving.receipts(post.store, [failed], now=post.now)

    assert post.one(message.message_id).state is MessageState.DELIVERED


def test_a_receipt_that_says_it_did_not_come_is_told_elsewhere() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.SMS))
    post.has_contact(Channel.EMAIL)
    post.round(accepting)

    receiving.receipts(post.store, [a_receipt(message.message_id, delivered=False)], now=post.now)
    (elsewhere,) = post.round(accepting)

    assert elsewhere.channel is Channel.EMAIL


def test_a_receipt_of_a_letter_that_is_not_ours_is_not_known() -> None:
    post = Post()
    message = post.says(post.has_contact(Channel.EMAIL))
    post.round(accepting)

    of_another_channel = a_receipt(message.message_id)
    of_nobody = a_receipt(an_id("nobody"))

    assert receiving.receipts(post.store, [of_another_channel, of_nobody], now=post.now) == [False, False]


def test_a_receipt_settles_the_doubt_and_stops_the_next_try() -> None:
    post = Post(repeat_within=timedelta(minutes=10))
    message = post.says(post.has_contact(Channel.SMS))
    post.round(lambda _: UNKNOWN)

    receiving.receipts(post.store, [a_receipt(message.message_id)], now=post.now)
    post.runs_for(HOUR, accepting)

    assert len(post.handed_over) == 1
    assert post.one(message.message_id).state is MessageState.DELIVERED


def test_who_opts_out_gets_nothing_more_and_the_act_is_audited_once() -> None:
    post = Post()
    contact = post.has_contact(Channel.EMAIL)
    waiting = post.says(contact)

    for _ in range(2):
        receiving.opt_out(post.store, contact.contact_id, ANA, act_id=an_id("act"), now=post.now)

    assert post.one(waiting.message_id).state is MessageState.DROPPED
    assert post.round(accepting) == []
    assert [each.what for each in post.store.tables.audit] == ["opt out"]
    assert not receiving.opt_out(post.store, an_id("none"), ANA, act_id=an_id("x"), now=post.now)


def a_receipt(message_id: object, *, delivered: bool = True) -> Receipt:
    return Receipt(
        channel=Channel.SMS,
        provider_id="biz-1",
        delivered=delivered,
        at=Post().now,
        detail="DELIVERED" if delivered else "UNDELIV",
        message_id=message_id,  # type: ignore[arg-type]
    )


def test_the_next_contact_is_told_in_its_own_language_and_not_in_its_quiet_hours() -> None:
    post = Post(now=NOON.replace(hour=15))  # 23:00 in Shanghai
    post.policy('{"quiet": "22:00-07:00"}')
    fields = {"place": "302", "balance": "19.99", "pay_link": "{address}/pay/x", "zero_at": "Thursday"}
    post.says(post.has_contact(Channel.SMS), fields=fields)
    post.has_contact(Channel.EMAIL, language=Language.SPANISH)

    post.round(lambda _: REFUSED)
    assert post.round(accepting) == []
    post.now = NOON.replace(hour=23)
    (elsewhere,) = post.round(accepting)

    assert elsewhere.letter.language == "es"
    assert "302" in elsewhere.letter.body
    assert "https://casa.example/pay/x" in elsewhere.letter.body
    assert elsewhere.letter.fields["pay_link"] == "https://casa.example/pay/x"


def test_staff_that_cannot_be_told_is_told_by_another_contact_of_theirs_and_then_by_a_colleague() -> None:
    post = Post()
    luis = post.has_colleague("luis", Channel.EMAIL)
    post.has_colleague("eva", Channel.EMAIL)
    post.has_colleague("luis", Channel.APPRISE)
    post.has_contact(Channel.SMS)
    post.says(luis, "alarm", template="alarm")

    for _ in range(4):
        post.round(lambda _: REFUSED)

    told = [(each.channel, each.letter.address) for each in post.handed_over]
    assert told == [
        (Channel.EMAIL, "luis@example.org"),
        (Channel.APPRISE, "luis"),
        (Channel.EMAIL, "eva@example.org"),
    ]
    assert post.alarms("message_undelivered") == [f"organisation {luis.organisation_id}"]


def test_a_letter_that_kills_whoever_sends_it_ends_after_a_bounded_number_of_deaths() -> None:
    post = Post(repeat_within=timedelta(days=2))
    message = post.says(post.has_contact(Channel.WEBHOOK))
    claims = 0
    for _ in range(30):
        claims += len(post.claims())
        post.now += LEASE

    assert claims == len(sending.BACK_OFF) + 1
    assert post.one(message.message_id).state is MessageState.FAILED
