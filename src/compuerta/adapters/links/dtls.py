"""DTLS 1.2 with pre-shared keys, for datagrams that somebody else sends: who a peer is, and what it says.

The records are OpenSSL's, by pyOpenSSL; its keys are given by callbacks for which pyOpenSSL has no method, so
they are set by the C names that it is built on. A datagram costs no memory here before its sender has shown
by a cookie that it receives at its address (RFC 6347 4.2.1).
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes
from typing import Final

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from compuerta.domain.errors import Refused

Address = tuple[str, int]

HANDSHAKES_MAX: Final = 500  # of peers that are not through; the oldest makes room
HANDSHAKE_S_MAX: Final = 30.0  # NB-IoT needs ten seconds for one round
PEERS_MAX: Final = 20_000
RECORD_BYTES_MAX: Final = 2_048
MTU: Final = 1_200  # what travels in one piece everywhere
RECORDS_PER_DATAGRAM_MAX: Final = 16
# RFC 7252 9.1.3.1 wants CCM_8 of every device; SECLEVEL=0 since OpenSSL counts its short seal as weak.
CIPHERS: Final = b"PSK-AES128-GCM-SHA256:PSK-AES128-CCM8:PSK-AES256-GCM-SHA384:@SECLEVEL=0"
_DTLS_1_2: Final = 0xFEFD
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_IDENTITY_MAX: Final = 64


class DtlsNotAvailable(Refused):
    """The installed OpenSSL bindings have no pre-shared keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke:
    """A peer that has proven its identity says something."""

    session: int  # with this peer; one that comes again has another
    address: Address
    identity: str
    plain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A peer that was let in is gone."""

    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRefused:
    """Somebody gave a name and did not have its key, or a name that nobody has."""

    identity: str
    known: bool


Event = Spoke | Left | KeyRefused


@dataclass(slots=True, kw_only=True, eq=False)
class _Peer:
    session: int
    address: Address
    records: SSL.Connection
    since_s: float
    identity: str = ""  # that it claims, and has proven once it is through
    key: bytes = b""
    is_through: bool = False


class DtlsServer:
    """This will let in who has the key of the name it gives; it owns no socket and no clock.

    `send(address, datagram)` is called with what is to go out.
    """

    def __init__(self, *, send: Callable[[Address, bytes], None]) -> None:
        if not getattr(lib, "Cryptography_HAS_PSK", 0):
            raise DtlsNotAvailable("OpenSSL without pre-shared keys")
        self._send = send
        self._keys: Mapping[str, bytes] = {}
        self._cookie_secret = token_bytes(32)
        self._peers: dict[Address, _Peer] = {}
        self._sessions: dict[int, _Peer] = {}  # who is let in
        self._begun = 0
        self._pending: dict[Address, None] = {}  # not through; who began first comes first
        self._asking: _Peer | None = None  # whose handshake is being looked at
        self._events: list[Event] = []
        self._context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        self._context.set_min_proto_version(_DTLS_1_2)
        self._context.set_cipher_list(CIPHERS)
        self._context.set_cookie_generate_callback(self._cookie)
        self._context.set_cookie_verify_callback(self._is_cookie)
        signature = "unsigned int(SSL *, const char *, unsigned char *, unsigned int)"
        self._callback = ffi.callback(signature, self._key_wanted, error=0)
        lib.SSL_CTX_set_psk_server_callback(self._context._context, self._callback)
        self._listener = self._new_listener()

    def learn(self, keys: Mapping[str, bytes]) -> list[Event]:
        """Take over the keys by name; who was let in with another is put out."""
        self._keys = keys
        for peer in list(self._peers.values()):
            if peer.identity and keys.get(peer.identity) != peer.key:
                self._drop(peer)
        return self._take_events()

    def hear(self, address: Address, datagram: bytes, *, now_s: float) -> list[Event]:
        """Take a datagram of an address."""
        peer = self._peers.get(address)
        if peer is None or (peer.is_through and _is_client_hello(datagram)):
            self._greet(address, datagram, now_s=now_s)
        else:
            peer.records.bio_write(datagram)
            self._go_on(peer)
        return self._take_events()

    def say(self, session: int, plain: bytes) -> None:
        """Send something to a peer that is let in; to who is gone nothing is sent."""
        peer = self._sessions.get(session)
        if peer is None:
            return
        try:
            peer.records.send(plain)
        except SSL.Error:
            self._drop(peer)
            return
        self._flush(peer.records, peer.address)

    def forget(self, session: int) -> None:
        """End a session from our side; whoever asks for it is not told."""
        peer = self._sessions.pop(session, None)
        if peer is not None:
            self._drop(peer)

    def sweep(self, *, now_s: float) -> list[Event]:
        """Give up handshakes that lead to nothing: that is what a wrong key looks like (RFC 6347 4.1.2.7)."""
        for address in list(self._pending):
            peer = self._peers[address]
            if now_s - peer.since_s <= HANDSHAKE_S_MAX:
                break
            self._give_up(peer)
        return self._take_events()

    # handshakes ----------------------------------------------------------------------------------------

    def _greet(self, address: Address, datagram: bytes, *, now_s: float) -> None:
        """Answer who is not known yet by a cookie; who brings it back becomes a peer.

        All who are not known share one listener, and what it leaves unread comes before the next one's hello:
        so it is given nothing but a hello, and of a size that it reads whole.
        """
        if not _is_client_hello(datagram) or len(datagram) > RECORD_BYTES_MAX:
            return
        listener = self._listener
        listener.set_app_data(address)
        listener.bio_write(_as_first_record(datagram))
        try:
            listener.DTLSv1_listen()
        except SSL.WantReadError:
            self._flush(listener, address)
            return
        except SSL.Error:
            self._listener = self._new_listener()
            return
        self._listener = self._new_listener()
        earlier = self._peers.get(address)
        if earlier is not None:
            self._drop(earlier)
        if len(self._pending) >= HANDSHAKES_MAX:
            self._give_up(self._peers[next(iter(self._pending))])
        if len(self._peers) >= PEERS_MAX:
            return
        self._begun += 1
        peer = _Peer(session=self._begun, address=address, records=listener, since_s=now_s)
        self._peers[address] = peer
        self._pending[address] = None
        self._go_on(peer)

    def _go_on(self, peer: _Peer) -> None:
        try:
            if not peer.is_through:
                self._asking = peer
                peer.records.do_handshake()
                peer.is_through = True
                del self._pending[peer.address]
                self._sessions[peer.session] = peer
            for _ in range(RECORDS_PER_DATAGRAM_MAX):
                plain = peer.records.recv(RECORD_BYTES_MAX)
                self._events.append(
                    Spoke(session=peer.session, address=peer.address, identity=peer.identity, plain=plain)
                )
        except SSL.WantReadError:
            pass
        except SSL.Error:
            self._flush(peer.records, peer.address)
            self._give_up(peer)
            return
        finally:
            self._asking = None
        self._flush(peer.records, peer.address)

    def _key_wanted(self, _: object, identity: object, place: object, room: int) -> int:
        """Give OpenSSL the key of the name that a peer gives; no key = no such name (RFC 4279 2)."""
        peer = self._asking
        if peer is None:
            return 0
        claimed = ffi.string(identity, _IDENTITY_MAX).decode("ascii", errors="replace")
        peer.identity = claimed
        key = self._keys.get(claimed)
        if key is None or len(key) > room:
            return 0
        peer.key = key
        ffi.memmove(place, key, len(key))
        return len(key)

    def _give_up(self, peer: _Peer) -> None:
        """Let go of a peer; one that gave a name and got no further has not its key."""
        if not peer.is_through and peer.identity:
            self._events.append(KeyRefused(identity=peer.identity, known=bool(peer.key)))
        self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.get(peer.address) is peer:
            del self._peers[peer.address]
            self._pending.pop(peer.address, None)
        if self._sessions.pop(peer.session, None) is not None:
            self._events.append(Left(session=peer.session))

    # small parts ---------------------------------------------------------------------------------------

    def _new_listener(self) -> SSL.Connection:
        listener = SSL.Connection(self._context)
        listener.set_accept_state()
        listener.set_ciphertext_mtu(MTU)
        return listener

    def _cookie(self, connection: SSL.Connection) -> bytes:
        return hmac.digest(self._cookie_secret, repr(connection.get_app_data()).encode(), sha256)

    def _is_cookie(self, connection: SSL.Connection, cookie: bytes) -> bool:
        return hmac.compare_digest(cookie, self._cookie(connection))

    def _flush(self, records: SSL.Connection, address: Address) -> None:
        try:
            self._send(address, records.bio_read(4 * MTU))
        except SSL.WantReadError:
            return

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _is_client_hello(datagram: bytes) -> bool:
    """Whether a peer begins anew (RFC 6347 4.2.8): a handshake in the clear, and its first message."""
    return len(datagram) > 13 and datagram[0] == _HANDSHAKE and datagram[13] == _CLIENT_HELLO


def _as_first_record(datagram: bytes) -> bytes:
    """Number a hello's record as the first of its peer.

    OpenSSL answers the first hello under the hello's own number, and begins its next flight at 1 whatever
    came: a peer whose first hello was lost, as on radio it will be, would take that flight for a repetition
    (RFC 6347 4.1.2.6) and never get in. The number of a record in the clear is covered by nothing.
    """
    return datagram[:5] + bytes(6) + datagram[11:] if len(datagram) > 11 else datagram
