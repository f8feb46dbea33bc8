"""What mosquitto needs to let our devices in, and nobody else: its configuration, words, rights, certificate.

The words of devices are derived (`services.road_keys`), so the files are made anew from the database at any
time; the same devices give the same files, byte for byte.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from compuerta.adapters.links.mqtt_client import Broker, broker_at
from compuerta.apps.config import Settings
from compuerta.apps.files import write_whole
from compuerta.domain.errors import Refused
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint
from compuerta.services.road_keys import key_of, named_key
from compuerta.wire.pm.topics import is_name

PLATFORM: Final = "platform"  # the user that gateways and ingests come as
CONFIGURATION, WORDS, RIGHTS = "mosquitto.conf", "words", "rights"
CA, CERTIFICATE, CERTIFICATE_KEY, PID = "ca.pem", "server.pem", "server.key", "mosquitto.pid"
# What is hashed are 256 random bits, which nobody guesses however fast the hash is; an estate that comes back
# after a power cut would wait for a slower one.
ROUNDS: Final = 101
SALT_BYTES: Final = 12
CERTIFICATE_DAYS: Final = 3_650  # devices hold the CA for as long as they hang on the wall
DEVICE_RIGHTS: Final = (("write", "up"), ("write", "ev"), ("write", "rsp"), ("read", "cmd"))
# Acrel's own form has other topics; a device of theirs is its serial number in them.
ACREL_RIGHTS: Final = (("write", "/gw/acrelHW/+/+/%u"), ("read", "/server/acrelHW/+/+/%u"))

_CONFIGURATION = """\
# Written by `compuerta broker config`; write your own settings into a file beside it and include this one.
user {user}
pid_file {directory}/{pid}
listener {port} {host}
cafile {directory}/{ca}
certfile {directory}/{certificate}
keyfile {directory}/{key}
tls_version tlsv1.2
allow_anonymous false
password_file {directory}/{words}
acl_file {directory}/{rights}
# A device that was away for a moment finds what was sent to it; commands end by their own expiry.
persistence true
persistence_location {directory}/
persistent_client_expiration 1d
# Nothing is retained: who is there is asked, and not remembered.
retain_available false
# Without it a command and its answer take ninety milliseconds instead of one.
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 10000
max_packet_size 65536
log_dest stderr
log_type error
log_type warning
log_type notice
"""


class DeviceNameUnfit(Refused):
    """A device's name that a broker's rule cannot hold."""

    def __init__(self, name: str) -> None:
        super().__init__(f"device {name!r}: write 1 to 64 letters, digits, hyphens and underscores")
        self.name = name


class DeviceUnknown(Refused):
    """A device that no end of a road is entered for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no end of a road behind the broker is called {name!r}; enter it first")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a broker listens, and as which user of the machine it runs."""

    host: str
    port: int
    name: str  # what devices call it, in its certificate
    user: str


def words_of(ends: Iterable[Endpoint], *, secret: bytes) -> dict[str, str]:
    """Return the word of each device behind the broker, and of the platform; refuses unfit names."""
    words = {PLATFORM: platform_word(secret)}
    for end in ends:
        if end.bearer is Bearer.MQTT:
            if not is_name(end.address) or end.address == PLATFORM:
                raise DeviceNameUnfit(end.address)
            words[end.address] = key_of(end, secret=secret).hex()
    return words


def platform_word(secret: bytes) -> str:
    """Return the word that gateways and ingests show."""
    return named_key("mqtt platform", generation=1, secret=secret).hex()


def broker_of(given: Settings) -> Broker | None:
    """Return the broker of this installation; an address without a user is met as the platform."""
    if given.mqtt_url is None:
        return None
    broker = broker_at(given.mqtt_url)
    if broker.user:
        return broker
    return replace(broker, user=PLATFORM, password=platform_word(given.secret("roads")))


def word_lines(words: Mapping[str, str]) -> str:
    """Return a password file as mosquitto 2 reads it: PBKDF2 with SHA-512 and a salt."""
    lines = []
    for user, word in sorted(words.items()):
        # Drawn from the word, so that a word that did not change gives the line that is there already.
        salt = hmac.digest(word.encode(), b"salt", hashlib.sha256)[:SALT_BYTES]
        mixed = hashlib.pbkdf2_hmac("sha512", word.encode(), salt, ROUNDS)
        lines.append(f"{user}:$7${ROUNDS}${b64encode(salt).decode()}${b64encode(mixed).decode()}\n")
    return "".join(lines)


def right_lines() -> str:
    """Return an ACL file: the platform has all, a device its own topics, nobody else anything."""
    lines = [f"user {PLATFORM}", *(f"topic readwrite {root}/#" for root in ("pm/v1", "/gw", "/server")), ""]
    lines += [f"pattern {may} pm/v1/+/%u/{way}" for may, way in DEVICE_RIGHTS]
    lines += [f"pattern {may} {wanted}" for may, wanted in ACREL_RIGHTS]
    return "\n".join(lines) + "\n"


def write(directory: Path, words: Mapping[str, str], *, place: Place, now: datetime) -> bool:
    """Write what is not there or has changed; tells whether words or rights have.

    A certificate that is there is left alone: it may be one of your own.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / CERTIFICATE).exists():
        _certify(directory, name=place.name, now=now)
    configuration = _CONFIGURATION.format(
        directory=directory.resolve(),
        host=place.host,
        port=place.port,
        user=place.user,
        pid=PID,
        ca=CA,
        certificate=CERTIFICATE,
        key=CERTIFICATE_KEY,
        words=WORDS,
        rights=RIGHTS,
    )
    _put(directory / CONFIGURATION, configuration.encode())
    changed = [
        _put(directory / WORDS, word_lines(words).encode()),
        _put(directory / RIGHTS, right_lines().encode()),
    ]
    return any(changed)


def _put(path: Path, octets: bytes) -> bool:
    """Write a file if it is another than there was; tells whether it changed."""
    if path.exists() and path.read_bytes() == octets:
        return False
    write_whole(path, octets)
    return True


def _certify(directory: Path, *, name: str, now: datetime) -> None:
    """Make an authority of our own and a certificate by it; the authority's key is kept nowhere."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Compuerta broker authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    names = x509.SubjectAlternativeName([_named(name)])
    authority = (
        _drafted(issuer, issuer, ours, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ours.public_key()), critical=False)
        .sign(ours, hashes.SHA256())
    )
    certificate = (
        _drafted(subject, issuer, theirs, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours.public_key()), critical=False)
        .sign(ours, hashes.SHA256())
    )
    key = theirs.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _put(directory / CERTIFICATE_KEY, key)
    _put(directory / CA, authority.public_bytes(serialization.Encoding.PEM))
    _put(directory / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


def _drafted(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
