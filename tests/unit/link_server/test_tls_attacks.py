"""Who may not speak over tls: wrong certificates, wrong meters, bytes that are no frames."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)

from acrel_link import commands
from acrel_link.crc import seal
from acrel_link.frames import encode, encode_nb_heartbeat
from acrel_link.uploads import build_upload

from .bed import until
from .key_bench import PASSPHRASE
from .secured import OTHER, SERIAL, Secured

DAY = timedelta(days=1)
READING = [bytes(76), bytes(12)]


class Authority:
    """An authority of certificates of the test's own."""

    def __init__(self, name: str):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, DAY).sign(self.key, SHA256())

    def _sign(self, subject, key, left: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + left)
            .add_extension(x509.BasicConstraints(key is self.key, None), critical=True)
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def certify(self, common: str, alternative: str, left: timedelta = DAY):
        """Return key and certificate of a device."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
        names = x509.SubjectAlternativeName([x509.DNSName(alternative)])
        builder = self._sign(subject, key, left).add_extension(names, critical=False)
        return key, builder.sign(self.key, SHA256())


@pytest.fixture
def secured(bed, tmp_path):
    secured = Secured(bed, tmp_path)
    secured.make_authority()
    return secured


@pytest.fixture
def own(secured):
    """An authority that the listener believes besides the operator's."""
    authority = Authority("Own")
    with secured.authority.open("a") as file:
        file.write(authority.pem)
    return authority


def bundle(secured, key, certificate):
    """Write a PKCS#12 whose holder believes the operator's authority."""
    path = secured.bench.file()
    operator = x509.load_pem_x509_certificates(secured.authority.read_bytes())[0]
    lock = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"", key, certificate, [operator], lock))
    return path


def enter(bed, link_id, serial, certificate):
    """Put a certificate into the record of a link."""
    bed.admin.execute(
        "INSERT INTO acrel_link_certificate (authority_id, link_id, serial, number, fingerprint,"
        " certificate, state, made_at, not_after)"
        " SELECT id, %s, %s, '1', %s, '', 'valid', now(), now() + interval '1 day'"
        "   FROM acrel_key_authority",
        [link_id, serial, certificate.fingerprint(SHA256())],
    )


async def refused(bed, link, peer, word):
    """Check that a peer is turned away with an event, and that its bytes changed nothing."""
    assert not await peer.register(SERIAL)
    events = await until(lambda: bed.events("certificate_refused"), "the event")
    assert word in events[0]["message"]
    assert link.context.counters.refused >= 1
    assert not link.server.online
    return events[0]


async def test_a_certificate_of_another_authority_is_refused(bed, secured):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    key, certificate = Authority("Stranger").certify(SERIAL, SERIAL)
    enter(bed, link_id, SERIAL, certificate)
    async with secured.link() as link:
        await refused(
            bed, link, await secured.tls(link, bundle(secured, key, certificate)), "unable to get"
        )


async def test_an_expired_certificate_is_refused(bed, secured, own):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    key, certificate = own.certify(SERIAL, SERIAL, left=-DAY)
    enter(bed, link_id, SERIAL, certificate)
    async with secured.link() as link:
        await refused(
            bed, link, await secured.tls(link, bundle(secured, key, certificate)), "expired"
        )


@pytest.mark.parametrize("names", [(OTHER, OTHER), (SERIAL, OTHER), (OTHER, SERIAL)])
async def test_a_certificate_with_another_name_is_refused(bed, secured, own, names):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    bed.add_link(OTHER, channel="tls")
    key, certificate = own.certify(*names)
    enter(bed, link_id, SERIAL, certificate)
    async with secured.link() as link:
        event = await refused(
            bed, link, await secured.tls(link, bundle(secured, key, certificate)), "and not"
        )
        assert event["link_id"] == link_id


async def test_a_certificate_that_stands_in_no_record_is_refused(bed, secured, own):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    key, certificate = own.certify(SERIAL, SERIAL)
    async with secured.link() as link:
        event = await refused(
            bed, link, await secured.tls(link, bundle(secured, key, certificate)), "no link's"
        )
        assert event["link_id"] == link_id
        # entered in the record, the same certificate is let in
        enter(bed, link_id, SERIAL, certificate)
        bed.notify()
        fingerprint = certificate.fingerprint(SHA256())
        await until(lambda: link.context.keys.certificate(fingerprint) == link_id, "it is known")
        peer = await secured.tls(link, bundle(secured, key, certificate))
        assert await peer.register(SERIAL)


@pytest.mark.parametrize("oldest", [False, True], ids=["no certificate", "TLS 1.2"])
async def test_a_client_without_certificate_or_of_an_old_version_is_refused(bed, secured, oldest):
    bed.add_link(SERIAL, channel="tls")
    async with secured.link() as link:
        context = ssl.create_default_context(cafile=str(secured.authority))
        if oldest:
            context = secured.context(secured.pkcs12(SERIAL))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            reader, writer = await asyncio.open_connection(
                *link.server.addresses["tls"], ssl=context
            )
            writer.write(b"{{")
            if await reader.read() == b"":
                raise ConnectionError
        await until(lambda: link.context.counters.refused, "it is counted")
        if not oldest:
            await until(lambda: bed.events("certificate_refused"), "the event")
        assert not link.server.online


async def test_no_session_tickets_are_given(bed, secured):
    bed.add_link(SERIAL, channel="tls")
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link() as link:
        peer = await secured.tls(link, pkcs12)
        assert await peer.register(SERIAL)
        assert not peer.line._tls.session.has_ticket
        assert peer.line._tls.version() == "TLSv1.3"


REPLY = seal(bytes((1, 3, 2, 0, 0)))
FOREIGN = {
    "84": commands.build_register(
        commands.Registration(OTHER, "8986", 26, ("1.0", "1.0", "1.0"), 30)
    ),
    "91": encode(commands.UPLOAD, build_upload(OTHER, 1, READING)),
    "91 slave": encode(commands.UPLOAD, build_upload(SERIAL, 2, READING)),
    "90": commands.build_transparent(REPLY, OTHER),
    "90 slave": commands.build_transparent(seal(bytes((2, 3, 2, 0, 0))), SERIAL),
    "93": commands.build_time_request(OTHER),
    "AB": encode_nb_heartbeat(OTHER.encode().ljust(20, b"\0")),
}


@pytest.mark.parametrize(
    ("frame", "registered"),
    [*((frame, True) for frame in FOREIGN), ("84", False), ("91", False)],
)
async def test_a_frame_of_another_meter_closes_and_changes_nothing(bed, secured, frame, registered):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    _, other, _ = bed.add_link(OTHER, channel="tls")
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link(request_timeout=30) as link:
        peer = await secured.tls(link, pkcs12)
        if registered:
            assert await peer.register(SERIAL)
        else:
            assert await peer.opened()
        peer.writer.write(peer.line.wrap(FOREIGN[frame]))
        assert await peer.closed()
        # before the registration any other frame than that is already one too many
        kind = "identity_mismatch" if registered or frame == "84" else "link_abuse"
        events = await until(lambda: bed.events(kind), "the event")
        assert events[0]["link_id"] == link_id
        assert bed.readings(other) == 0
        assert not bed.row("acrel_meter_live", "meter_id", other)
        assert not bed.all("SELECT 1 FROM acrel_reading_quarantine")


@pytest.mark.parametrize("noise", [b"x" + encode(0x94), encode(0x94) + b"{x"])
async def test_a_byte_that_is_not_the_start_of_a_frame_closes(bed, secured, noise):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link(request_timeout=30) as link:
        peer = await secured.tls(link, pkcs12)
        assert await peer.register(SERIAL)
        peer.writer.write(peer.line.wrap(noise))
        assert await peer.closed()
        events = await until(lambda: bed.events("link_abuse"), "the event")
        assert events[0]["link_id"] == link_id and "start of a frame" in events[0]["message"]


async def test_bytes_that_are_no_tls_close(bed, secured):
    bed.add_link(SERIAL, channel="tls")
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link() as link:
        reader, writer = await asyncio.open_connection(*link.server.addresses["tls"])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        assert reader.at_eof()
        writer.close()
        peer = await secured.tls(link, pkcs12)
        assert await peer.register(SERIAL), "an honest meter is let in"


async def test_a_link_that_names_another_channel_is_refused(bed, secured):
    link_id, *_ = bed.add_link(SERIAL, channel="sealed")
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link() as link:
        peer = await secured.tls(link, pkcs12)
        assert not await peer.register(SERIAL)
        events = await until(lambda: bed.events("channel_refused"), "the event")
        assert events[0]["link_id"] == link_id
        assert not bed.row("acrel_link_live", "link_id", link_id)


async def test_a_handshake_and_frames_may_come_byte_by_byte(bed, secured):
    link_id, meter, _ = bed.add_link(SERIAL, channel="tls")
    files = {
        "package": [secured.pkcs12(SERIAL)],
        "passphrase_file": secured.bench.passphrase_file,
    }
    async with secured.link() as link, bed.fleet(link, channel="tls", **files) as fleet:
        await until(lambda: bed.readings(meter), "it is read")
        fleet.fault(SERIAL, "split")
        fleet.clients[SERIAL]._session.abort()
        await until(lambda: fleet.state(SERIAL)["connections"] == 2, "it calls again")
        before = bed.readings(meter)
        await until(lambda: bed.readings(meter) > before + 1, "it is read on")
        assert bed.row("acrel_link_live", "link_id", link_id)["online"]
