"""DTLS between our two sides, datagram by datagram: who gets in, and what a flood costs."""

import pytest

from compuerta.adapters.links import dtls
from compuerta.adapters.links.dtls import Address, DtlsServer, KeyRefused, Left, Spoke
from compuerta.virtual.nbiot.keyed import KeyedPeer

KEY = b"k" * 32
HERE: Address = ("10.0.0.1", 5000)
FLIGHTS_MAX = 8


class Air:
    """A server and what it has sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.server = DtlsServer(send=lambda _, datagram: self.sent.append(datagram))
        self.server.learn({"nb-1": KEY})

    def carry(self, datagrams: list[bytes], peer: KeyedPeer, address: Address = HERE) -> list[dtls.Event]:
        """Let both sides talk until nobody has anything more to say."""
        events: list[dtls.Event] = []
        for _ in range(FLIGHTS_MAX):
            for datagram in datagrams:
                events += self.server.hear(address, datagram, now_s=0.0)
            answers, self.sent[:] = list(self.sent), []
            for answer in answers:
                peer.hear(answer)
            datagrams = peer.take_datagrams()
        return events


def a_peer(*, key: bytes = KEY) -> tuple[KeyedPeer, list[bytes]]:
    peer = KeyedPeer(name="nb-1", key=key)
    peer.say(b"hello")
    return peer, peer.take_datagrams()


def begun(air: Air, address: Address = HERE) -> tuple[KeyedPeer, list[bytes]]:
    """Return a peer that has shown that it hears, and what it was answered: its handshake goes on."""
    peer, [hello] = a_peer()
    air.server.hear(address, hello, now_s=0.0)
    peer.hear(air.sent.pop())
    for datagram in peer.take_datagrams():
        air.server.hear(address, datagram, now_s=0.0)
    answers, air.sent[:] = list(air.sent), []
    return peer, answers


def test_who_has_the_key_is_heard() -> None:
    air = Air()
    peer, hello = a_peer()

    assert air.carry(hello, peer) == [Spoke(session=1, address=HERE, identity="nb-1", plain=b"hello")]


def test_a_peer_whose_first_hello_was_lost_gets_in() -> None:
    air = Air()
    peer, [hello] = a_peer()
    said_again = hello[:5] + (1).to_bytes(6, "big") + hello[11:]  # the number of its record

    assert [type(event) for event in air.carry([said_again], peer)] == [Spoke]


def test_a_wrong_key_is_told_when_its_handshake_is_given_up() -> None:
    air = Air()
    peer, hello = a_peer(key=b"w" * 32)
    at_once = air.carry(hello, peer)

    assert at_once == []
    assert air.server.sweep(now_s=dtls.HANDSHAKE_S_MAX) == []
    assert air.server.sweep(now_s=dtls.HANDSHAKE_S_MAX + 1) == [KeyRefused(identity="nb-1", known=True)]


def test_a_hello_costs_nothing_until_its_sender_shows_that_it_hears() -> None:
    air = Air()
    for number in range(100):
        _, [hello] = a_peer()
        air.server.hear((f"10.1.0.{number}", 1), hello, now_s=0.0)

    assert len(air.sent) == 100
    assert max(map(len, air.sent)) < 100  # less than what came: nobody's flood is made larger
    assert air.server.sweep(now_s=1_000.0) == []
    assert not air.server._peers


def test_a_cookie_of_another_address_is_worth_nothing() -> None:
    air = Air()
    peer, hello = a_peer()
    air.server.hear(HERE, hello[0], now_s=0.0)
    peer.hear(air.sent.pop())
    [with_cookie] = peer.take_datagrams()
    air.server.hear(("10.0.0.2", 5000), with_cookie, now_s=0.0)

    assert not air.server._peers


def test_a_key_that_is_taken_back_ends_its_session() -> None:
    air = Air()
    peer, hello = a_peer()
    air.carry(hello, peer)

    assert air.server.learn({"nb-1": b"n" * 32}) == [Left(session=1)]
    air.server.say(1, b"too late")
    assert air.sent == []


def test_a_name_that_is_taken_back_ends_its_session() -> None:
    air = Air()
    peer, hello = a_peer()
    air.carry(hello, peer)

    assert air.server.learn({"nb-2": KEY}) == [Left(session=1)]


def test_keys_that_are_learnt_meanwhile_disturb_no_handshake() -> None:
    air = Air()
    peer, answers = begun(air)
    air.server.learn({"nb-1": KEY, "nb-2": KEY})

    for answer in answers:
        peer.hear(answer)

    assert [type(event) for event in air.carry(peer.take_datagrams(), peer)] == [Spoke]


def test_of_too_many_handshakes_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "HANDSHAKES_MAX", 2)
    air = Air()
    addresses = [(f"10.0.0.{number}", 5000) for number in range(4)]
    for address in addresses:
        begun(air, address)

    assert list(air.server._peers) == addresses[2:]


def test_no_more_peers_are_let_in_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "PEERS_MAX", 1)
    air = Air()
    first, hello = a_peer()
    air.carry(hello, first)
    second, hello = a_peer()

    assert air.carry(hello, second, ("10.0.0.2", 5000)) == []
    first.say(b"still here")
    assert [type(event) for event in air.carry(first.take_datagrams(), first)] == [Spoke]


def test_a_key_that_is_longer_than_there_is_room_for_lets_nobody_in() -> None:
    air = Air()
    air.server.learn({"nb-1": bytes(4_096)})
    peer, hello = a_peer()

    assert air.carry(hello, peer) == [KeyRefused(identity="nb-1", known=False)]
