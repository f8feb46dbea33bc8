"""The device's side of DTLS 1.2 with its key: bytes in, bytes out."""

from typing import Final

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

MTU: Final = 1_200
RECORD_BYTES_MAX: Final = 2_048
RECORDS_MAX: Final = 16
_CIPHERS: Final = b"PSK-AES128-CCM8:PSK-AES128-GCM-SHA256:@SECLEVEL=0"


class KeyedPeer:
    """Will make itself known by its name and key, and then carry datagrams."""

    def __init__(self, *, name: str, key: bytes) -> None:
        self._name = name.encode("ascii") + b"\0"
        self._key = key
        self._context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        self._context.set_cipher_list(_CIPHERS)
        signature = "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
        self._callback = ffi.callback(signature, self._key_wanted, error=0)
        lib.SSL_CTX_set_psk_client_callback(self._context._context, self._callback)
        self._records = SSL.Connection(self._context)
        self._records.set_connect_state()
        self._records.set_ciphertext_mtu(MTU)
        self._waiting: list[bytes] = []  # what is said before the handshake is through
        self.is_through = False
        self._is_broken = False

    def say(self, plain: bytes) -> None:
        """Send something, as soon as the handshake is through."""
        self._waiting.append(plain)
        self._go_on()

    def hear(self, datagram: bytes) -> list[bytes]:
        """Take a datagram; returns what is said in it."""
        self._records.bio_write(datagram)
        return self._go_on()

    def wake(self) -> None:
        """Say a handshake again that was not answered; call it each second."""
        if not self.is_through and not self._is_broken:
            try:
                self._records.DTLSv1_handle_timeout()
            except SSL.Error:  # it was said often enough
                self._is_broken = True

    def take_datagrams(self) -> list[bytes]:
        """Return what is to be sent now."""
        try:
            return [self._records.bio_read(4 * MTU)]
        except SSL.WantReadError:
            return []

    def _go_on(self) -> list[bytes]:
        said: list[bytes] = []
        if self._is_broken:
            return said
        try:
            if not self.is_through:
                self._records.do_handshake()
                self.is_through = True
            waiting, self._waiting = self._waiting, []
            for plain in waiting:
                self._records.send(plain)
            for _ in range(RECORDS_MAX):
                said.append(self._records.recv(RECORD_BYTES_MAX))
        except SSL.WantReadError:
            pass
        except SSL.Error:
            self._is_broken = True
        return said

    def _key_wanted(
        self, _: object, hint: object, identity: object, room: int, place: object, key_room: int
    ) -> int:
        if len(self._name) > room or len(self._key) > key_room:
            return 0
        ffi.memmove(identity, self._name, len(self._name))
        ffi.memmove(place, self._key, len(self._key))
        return len(self._key)
