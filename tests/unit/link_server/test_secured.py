"""Links on the channels tls and sealed: proven, polled, switched, rekeyed, revoked."""

import asyncio
import time

import pytest

from acrel_link import commands

from .bed import until
from .secured import OTHER, SERIAL, Secured


@pytest.fixture
def secured(bed, tmp_path):
    return Secured(bed, tmp_path)


async def session(bed, link, meter, output):
    """Close and open an output, and look at its registers."""
    await until(lambda: bed.readings(meter) > 2, "readings")
    closed = bed.want(output, "closed")
    live = await until(
        lambda: (row := bed.live(output)).get("close_revision") == closed and row, "closed"
    )
    assert (live["state"], live["close_register"] >= 12345) == ("closed", True)
    opened = bed.want(output, "open")
    await until(lambda: bed.live(output).get("confirmed_revision") == opened, "open")


@pytest.mark.parametrize("suite", [0x01, 0x02, 0x03, 0x11, 0x12, 0x13], ids="{:02X}".format)
async def test_a_sealed_meter_is_read_and_switched(bed, secured, suite):
    link_id, meter, output = bed.add_link(SERIAL, channel="sealed")
    files = {
        "package": [secured.package(SERIAL)],
        "passphrase_file": secured.bench.passphrase_file,
    }
    async with (
        secured.link() as link,
        bed.fleet(link, channel="sealed", suites=(suite,), **files) as fleet,
    ):
        await session(bed, link, meter, output)
        row = bed.row("acrel_link_live", "link_id", link_id)
        assert (row["channel"], row["proven_by"]) == ("sealed", "key")
        assert (row["suite"], row["key_version"]) == (suite, 1)
        assert row["secured_at"] is not None
        assert [closed for _, closed in fleet.state(SERIAL)["relay_writes"]] == [True, False]


async def test_a_close_whose_answers_are_lost_is_sent_again_and_obeyed_once(bed, secured):
    """The meter closes, and what its relay reads afterwards does not reach the link."""
    _, meter, output = bed.add_link(SERIAL, channel="sealed")
    files = {
        "package": [secured.package(SERIAL)],
        "passphrase_file": secured.bench.passphrase_file,
    }
    # neither a poll nor an upload tells meanwhile how the relay stands
    rare = {"poll_idle": 3600, "poll_closed": 3600}
    async with secured.link(**rare) as link, bed.fleet(link, channel="sealed", **files) as fleet:
        await until(lambda: bed.readings(meter), "readings")
        fleet.pause(SERIAL)
        device = fleet.clients[SERIAL].device
        device.on_relay = lambda closed: device.fault(time.time_ns(), "no_reply", 1)
        revision = bed.want(output, "closed")
        await until(lambda: bed.live(output).get("close_revision") == revision, "it is closed")
        query = "SELECT state, attempts FROM acrel_command WHERE output_id = %s AND kind = 'close'"
        [(_, attempts)] = bed.all(query, output)
        assert attempts > 1, "it was sent again"
        assert [closed for _, closed in fleet.state(SERIAL)["relay_writes"]] == [True]
        await until(lambda: bed.all(query, output)[0][0] == "done", "its outcome")


async def test_a_meter_over_tls_is_read_and_switched(bed, secured):
    link_id, meter, output = bed.add_link(SERIAL, channel="tls")
    secured.make_authority()
    files = {
        "package": [secured.pkcs12(SERIAL)],
        "passphrase_file": secured.bench.passphrase_file,
    }
    async with secured.link() as link, bed.fleet(link, channel="tls", **files):
        await session(bed, link, meter, output)
        row = bed.row("acrel_link_live", "link_id", link_id)
        assert (row["channel"], row["proven_by"]) == ("tls", "certificate")
        assert (row["suite"], row["key_version"]) == (None, None)


async def test_the_links_own_preference_chooses_the_suite(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    bed.admin.execute("UPDATE acrel_link SET suites = '13,02'")
    payload = secured.bench.issue(SERIAL)
    async with secured.link() as link:
        for offered, chosen in (((1, 2, 0x13), 0x13), ((1, 2), 2), ((1,), None)):
            peer = await secured.sealed(link, secured.device(payload, suites=offered))
            assert await peer.register(SERIAL) is (chosen is not None)
            if chosen is not None:
                assert peer.line._session.suite == chosen
            peer.writer.close()


async def test_a_key_is_rotated_while_the_link_works(bed, secured):
    link_id, meter, _ = bed.add_link(SERIAL, channel="sealed")
    package = secured.package(SERIAL)
    state = secured.bench.file()
    files = {"package": [package], "passphrase_file": secured.bench.passphrase_file}
    async with secured.link() as link:
        async with bed.fleet(link, channel="sealed", state=state, **files) as fleet:
            await until(lambda: bed.readings(meter), "it is read")
            secured.bench.do("rotate", "--serial", SERIAL)
            bed.notify()
            answered = "SELECT answered_at FROM acrel_link_key WHERE version = 2"
            await until(lambda: bed.one(answered), "the meter has stored its next key")
            assert fleet.state(SERIAL)["connections"] == 1
        assert state.stat().st_mode & 0o777 == 0o600
        # the package still has the old key: what the meter stored goes before it
        async with bed.fleet(link, channel="sealed", state=state, **files):
            version = "SELECT key_version FROM acrel_link_live WHERE online"
            await until(lambda: bed.one(version) == 2, "it opened under the next key")
        await until(
            lambda: secured.bench.keys(link_id) == [(1, "retired"), (2, "current")], "the old one"
        )


async def test_a_revoked_key_closes_the_link_and_keeps_it_out(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with secured.link(request_timeout=30) as link:
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL)
        secured.bench.do("revoke", "--serial", SERIAL)
        async with asyncio.timeout(5):
            assert await peer.closed()
        peer = await secured.sealed(link, secured.device(payload))
        assert not await peer.opened(), "the server does not know the key"
        assert peer.refused is not None


async def test_a_revoked_certificate_closes_the_link_and_keeps_it_out(bed, secured):
    link_id, *_ = bed.add_link(SERIAL, channel="tls")
    secured.make_authority()
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link(request_timeout=30) as link:
        peer = await secured.tls(link, pkcs12)
        assert await peer.register(SERIAL)
        secured.bench.do("revoke-certificate", "--serial", SERIAL)
        async with asyncio.timeout(5):
            assert await peer.closed()
        peer = await secured.tls(link, pkcs12)
        assert not await peer.register(SERIAL)
        events = await until(lambda: bed.events("certificate_refused"), "the event")
        assert events[0]["link_id"] == link_id and "revoked" in events[0]["message"]


async def test_a_newcomer_that_proves_itself_displaces_the_earlier_connection(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with secured.link(request_timeout=30) as link:
        first = await secured.sealed(link, secured.device(payload))
        assert await first.register(SERIAL)
        stranger = await secured.sealed(link, secured.device_of(SERIAL, bytes(32)))
        assert not await stranger.opened()
        first.send(commands.TIME, SERIAL.encode().ljust(20, b"\0"))
        assert await first.frame(commands.TIME), "who proves nothing displaces nobody"
        newcomer = await secured.sealed(link, secured.device(payload))
        assert await newcomer.opened()
        assert await first.closed()
        assert await newcomer.register(SERIAL)


async def test_the_listeners_certificate_is_renewed_without_a_restart(bed, secured):
    bed.add_link(SERIAL, channel="tls")
    secured.make_authority()
    pkcs12 = secured.pkcs12(SERIAL)
    async with secured.link(request_timeout=30) as link:
        first = await secured.tls(link, pkcs12)
        assert await first.register(SERIAL)
        shown = first.line._tls.getpeercert(binary_form=True)
        secured.certify_listener()
        [listener] = [one for one in link.server.listeners if one.name == "tls"]
        before = listener._files.context
        await until(lambda: listener._files.context is not before, "the files were read again")
        first.send(commands.TIME, SERIAL.encode().ljust(20, b"\0"))
        assert await first.frame(commands.TIME), "the connection that stood stands"
        again = await secured.tls(link, pkcs12)
        assert await again.register(SERIAL)
        assert again.line._tls.getpeercert(binary_form=True) != shown
        # files that do not fit are told in the log and change nothing
        before = listener._files.context
        secured.key.write_text("no key")
        link.server.reload()
        assert listener._files.context is before


async def test_a_session_ends_when_its_keys_have_served_long_enough(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with secured.link(session_timeout=1, request_timeout=30) as link:
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL)
        assert await peer.closed()


async def test_the_test_range_is_for_a_lab(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL, words=["--lab"])
    async with secured.link() as link:
        peer = await secured.sealed(link, secured.device(payload))
        assert not await peer.opened()
    async with secured.link(lab="yes") as link:
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL)


async def test_plain_is_refused_and_alarmed_once_a_link_was_secured(bed, secured):
    link_id, *_ = bed.add_link(SERIAL, channel="sealed")
    bed.add_link(OTHER)
    payload = secured.bench.issue(SERIAL)
    async with secured.link(request_timeout=30) as link:
        sealed = await secured.sealed(link, secured.device(payload))
        assert await sealed.register(SERIAL)
        thief = await link.peer()
        thief.register(SERIAL)
        assert await thief.frame() is None
        events = await until(lambda: bed.events("plain_refused"), "the alarm")
        assert (events[0]["link_id"], events[0]["severity"]) == (link_id, "alarm")
        await until(
            lambda: bed.row("acrel_link_live", "link_id", link_id).get("secured_at"), "kept"
        )
        sealed.send(commands.TIME, SERIAL.encode().ljust(20, b"\0"))
        assert await sealed.frame(commands.TIME), "the link is not disturbed"
        # the channel alone changes nothing, and another process knows as well
        bed.admin.execute("UPDATE acrel_link SET channel = 'plain' WHERE id = %s", [link_id])
        bed.notify()
        assert await sealed.closed()
        thief = await link.peer()
        thief.register(SERIAL)
        assert await thief.frame() is None
    async with secured.link(request_timeout=30) as link:
        thief = await link.peer()
        thief.register(SERIAL)
        assert await thief.frame() is None
        bed.admin.execute(
            "UPDATE acrel_link SET plain_allowed_at = clock_timestamp() WHERE id = %s", [link_id]
        )
        bed.notify()
        await until(
            lambda: link.context.master.by_id[link_id].plain_allowed_at, "the operator's word"
        )
        peer = await link.peer()
        peer.register(SERIAL)
        assert (await peer.frame()).command == commands.REGISTER
