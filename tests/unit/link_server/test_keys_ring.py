"""The keys a link process knows: found, used up, rotated, revoked, while everything goes on."""

import asyncio
import os
from datetime import timedelta

import pytest

from acrel_link.keys.check import check_value
from acrel_link.keys.package import LinkCertificate, Recipient, open_with_private_key
from acrel_link.keys.ring import OPENED
from acrel_link.settings import SettingsError

from .bed import Link, until
from .key_bench import KeyBench

SERIAL, OTHER = "99000000000001", "99000000000002"


@pytest.fixture
def bench(bed, tmp_path) -> KeyBench:
    return KeyBench(bed, tmp_path)


@pytest.fixture
def link_id(bed) -> int:
    return bed.add_link(SERIAL)[0]


async def found(link: Link, version: int, serial: str = SERIAL):
    return await until(lambda: link.context.keys.find(serial, version), f"key {version}")


async def gone(link: Link, version: int, serial: str = SERIAL):
    await until(lambda: link.context.keys.find(serial, version) is None, f"no key {version}")


def told(ring) -> tuple[list, list]:
    """Return the lists that what the ring tells goes into: revoked, ordered."""
    revoked, ordered = [], []
    ring.on_revoked = lambda links: revoked.extend(links)
    ring.on_rekey = lambda links: ordered.extend(links)
    return revoked, ordered


async def opened(link: Link, key, counter: int) -> bool:
    """Say that a meter proved a key; return whether the database took it."""
    answers = []
    link.context.keys.opened(key, counter, lambda: answers.append("refused"))
    committed = asyncio.Event()
    link.context.writer.after(committed.set)
    await committed.wait()
    return not answers


async def test_a_key_is_known_as_soon_as_it_is_issued(bench, bed, link_id):
    async with bed.link(root_key_file=bench.root_file, sweep=60) as link:
        [handed] = bench.issue(SERIAL).links
        key = await found(link, 1)
        assert (key.link_id, key.key, key.state) == (link_id, handed.key, "current")
        assert key.boot_counter == 0
        assert link.context.keys.find(SERIAL, 2) is None
        assert link.context.keys.find(OTHER, 1) is None
    async with bed.link(root_key_file=bench.root_file) as link:
        assert link.context.keys.find(SERIAL, 1) == key, "known before the first meter connects"


async def test_without_a_root_key_no_key_is_known(bench, bed, link_id):
    bench.issue(SERIAL)
    async with bed.link() as link:
        assert link.context.keys.find(SERIAL, 1) is None
        with pytest.raises(SettingsError, match="make one with odoo meter_keys make-root"):
            link.context.keys.require("sealed")
    async with bed.link(root_key_file=bench.root_file) as link:
        link.context.keys.require("sealed")


async def test_another_root_key_is_refused_at_the_start(bench, bed, link_id):
    bench.issue(SERIAL)
    other = bench.file()
    bench.do("make-root", "--out", other)
    with pytest.raises(SettingsError, match=f"wrapped under root key {bench.root_id}"):
        async with bed.link(root_key_file=other):
            pass
    other.chmod(0o644)
    with pytest.raises(SettingsError, match="may be used by others"):
        async with bed.link(root_key_file=other):
            pass


async def test_a_boot_counter_counts_once(bench, bed, link_id):
    bench.issue(SERIAL)
    async with (
        bed.link(root_key_file=bench.root_file) as link,
        bed.link(root_key_file=bench.root_file) as second,
    ):
        key, same = await found(link, 1), await found(second, 1)
        assert await opened(link, key, 2**64 - 2)
        assert link.context.keys.find(SERIAL, 1).boot_counter == 2**64 - 2
        assert not await opened(second, same, 2**64 - 2), "another process has seen it"
        assert not await opened(second, same, 5)
        assert await opened(second, same, 2**64 - 1)
    assert bed.one("SELECT boot_counter FROM acrel_link_key") == 2**64 - 1


async def test_a_statement_that_is_repeated_counts_as_done(bench, bed, link_id):
    bench.issue(SERIAL)
    async with bed.link(root_key_file=bench.root_file) as link:
        key, now = await found(link, 1), link.context.clock.now()
        answer = {"id": key.id, "counter": 7, "at": now}
        for _ in range(2):
            assert await link.context.keeping.fetch(OPENED, answer) == [(1,)]
        later = answer | {"at": now + timedelta(microseconds=1)}
        assert await link.context.keeping.fetch(OPENED, later) == [(0,)]


async def test_rotation_from_order_to_retirement(bench, bed, link_id):
    [handed] = bench.issue(SERIAL).links
    async with bed.link(root_key_file=bench.root_file, sweep=60) as link:
        ring = link.context.keys
        _, ordered = told(ring)
        await found(link, 1)
        assert ring.rekey_due(link_id) is None
        bench.do("rotate", "--serial", SERIAL)
        await until(lambda: ordered == [link_id], "told of the order")
        order = ring.rekey_due(link_id)
        assert (order.version, order.current.key) == (2, handed.key)
        assert ring.find(SERIAL, 1).state == "current", "both are accepted"
        assert ring.find(SERIAL, 2).key == order.key
        assert not ring.rekeyed(link_id, 2, bytes(8))
        assert not ring.rekeyed(link_id, 1, check_value(order.key, SERIAL))
        assert ring.rekey_due(link_id) == order, "the same until it is answered"
        assert ring.rekeyed(link_id, 2, check_value(order.key, SERIAL))
        assert ring.rekey_due(link_id) is None
        assert ring.find(SERIAL, 1).state == "current", "not before an E3 under the next"
        assert await opened(link, ring.find(SERIAL, 1), 8)
        assert bench.keys(link_id) == [(1, "current"), (2, "next")]
        assert await opened(link, ring.find(SERIAL, 2), 9)
        assert ring.find(SERIAL, 1) is None
        assert ring.find(SERIAL, 2).state == "current"
        assert bench.keys(link_id) == [(1, "retired"), (2, "current")]
        bench.do("rotate", "--serial", SERIAL)
        await until(lambda: ring.rekey_due(link_id), "the third")
        assert ring.rekey_due(link_id).version == 3
    assert bed.one("SELECT wrapped FROM acrel_link_key WHERE version = 1") is None
    assert [action for action in bench.logged() if action in ("stored_by_meter", "rotated")] == [
        "stored_by_meter",
        "rotated",
    ]


async def test_a_restart_sends_the_same_next_key(bench, bed, link_id):
    bench.issue(SERIAL)
    bench.do("rotate", "--serial", SERIAL)
    orders = []
    for _ in range(2):
        async with bed.link(root_key_file=bench.root_file) as link:
            orders.append(link.context.keys.rekey_due(link_id))
    assert orders[0] == orders[1] and orders[0].version == 2
    async with bed.link(root_key_file=bench.root_file) as link:
        ring = link.context.keys
        assert await opened(link, ring.find(SERIAL, 2), 1), "the answer was lost: E3 is enough"
        assert ring.rekey_due(link_id) is None
    async with bed.link(root_key_file=bench.root_file) as link:
        assert link.context.keys.rekey_due(link_id) is None
        assert link.context.keys.find(SERIAL, 1) is None


async def test_a_refresh_in_between_takes_nothing_back(bench, bed, link_id):
    """A meter used its next key, and the rows are read before that is committed."""
    bench.issue(SERIAL)
    bench.do("rotate", "--serial", SERIAL)
    async with bed.link(root_key_file=bench.root_file) as link:
        ring = link.context.keys
        with bed.admin.transaction():
            bed.admin.execute("SELECT id FROM acrel_link_key FOR UPDATE")
            ring.opened(ring.find(SERIAL, 2), 1)
            ring._fingerprint = None
            await ring.refresh()
            assert ring.find(SERIAL, 1) is None
            assert ring.find(SERIAL, 2).state == "current"
            assert ring.rekey_due(link_id) is None
        await until(lambda: bench.keys(link_id) == [(1, "retired"), (2, "current")], "committed")


async def test_a_new_key_from_the_bench_is_not_sent_over_the_air(bench, bed, link_id):
    bench.issue(SERIAL)
    bench.issue(SERIAL)
    async with bed.link(root_key_file=bench.root_file) as link:
        ring = link.context.keys
        assert ring.find(SERIAL, 2).state == "next"
        assert ring.rekey_due(link_id) is None
        assert await opened(link, ring.find(SERIAL, 2), 1)
    assert bench.keys(link_id) == [(1, "retired"), (2, "current")]


async def test_a_revoked_key_is_refused_at_once(bench, bed, link_id):
    bench.issue(SERIAL)
    async with bed.link(root_key_file=bench.root_file, sweep=60) as link:
        ring = link.context.keys
        revoked, _ = told(ring)
        key = await found(link, 1)
        bench.do("revoke", "--serial", SERIAL)
        await gone(link, 1)
        assert revoked == [link_id]
        assert not await opened(link, key, 1), "its handshake was on the way"
    assert bench.keys(link_id) == [(1, "revoked")]


async def test_a_next_key_revoked_during_its_handshake_does_not_come_back(bench, bed, link_id):
    bench.issue(SERIAL)
    bench.do("rotate", "--serial", SERIAL)
    async with bed.link(root_key_file=bench.root_file, sweep=60) as link:
        ring = link.context.keys
        key = await found(link, 2)
        bench.do("revoke", "--serial", SERIAL, "--version", "2")
        await gone(link, 2)
        ring.opened(key, 1)
        assert ring.find(SERIAL, 2) is None
        assert ring.find(SERIAL, 1).state == "current"
    assert bench.keys(link_id) == [(1, "current"), (2, "revoked")]


async def test_retirement_is_no_revocation(bench, bed, link_id):
    bench.issue(SERIAL)
    bench.do("rotate", "--serial", SERIAL)
    async with (
        bed.link(root_key_file=bench.root_file) as link,
        bed.link(root_key_file=bench.root_file) as second,
    ):
        revoked, _ = told(second.context.keys)
        assert await opened(link, link.context.keys.find(SERIAL, 2), 1)
        await gone(second, 1)
        assert second.context.keys.find(SERIAL, 2).state == "current"
        assert revoked == []


@pytest.mark.parametrize("change", ["active = false", "serial = 'renamed'"])
async def test_a_link_that_is_archived_or_renamed_has_no_key(bench, bed, link_id, change):
    bench.issue(SERIAL)
    async with bed.link(root_key_file=bench.root_file) as link:
        await found(link, 1)
        bed.admin.execute(f"UPDATE acrel_link SET {change}")
        bed.notify()
        await gone(link, 1)
        assert link.context.keys.find("renamed", 1) is None


async def test_a_row_that_was_moved_does_not_open(bench, bed, link_id, caplog):
    bed.add_link(OTHER)
    bench.issue(SERIAL)
    bench.issue(OTHER)
    bed.admin.execute(
        "UPDATE acrel_link_key SET wrapped = (SELECT wrapped FROM acrel_link_key"
        " WHERE serial = %s) WHERE serial = %s",
        [SERIAL, OTHER],
    )
    async with bed.link(root_key_file=bench.root_file) as link:
        assert link.context.keys.find(OTHER, 1) is None
        assert link.context.keys.find(SERIAL, 1)
    assert "1 device keys cannot be used" in caplog.text


async def test_certificates_are_known_until_they_are_revoked_or_end(bench, bed, link_id):
    bench.do("authority", "--out", bench.file())
    words = ("--serial", SERIAL, "--passphrase-file", bench.passphrase_file)
    async with bed.link(root_key_file=bench.root_file, sweep=60) as link:
        ring = link.context.keys
        revoked, _ = told(ring)
        for _ in range(2):
            bench.do("certificate", *words, "--out", bench.file())
        first, second = (
            row[0] for row in bed.all("SELECT fingerprint FROM acrel_link_certificate ORDER BY id")
        )
        await until(lambda: ring.certificate(second) == link_id, "known")
        assert ring.certificate(os.urandom(32)) is None
        number = bed.one("SELECT number FROM acrel_link_certificate WHERE fingerprint = %s", first)
        bench.do("revoke-certificate", "--serial", SERIAL, "--number", number)
        await until(lambda: ring.certificate(first) is None, "revoked")
        assert revoked == [link_id]
        assert ring.certificate(second) == link_id
        bed.admin.execute("UPDATE acrel_link_certificate SET not_after = clock_timestamp()")
        bed.notify()
        await until(lambda: ring.certificate(second) is None, "ended")


async def test_root_keys_are_read_again_and_a_broken_file_changes_nothing(bench, bed, link_id):
    bench.issue(SERIAL)
    async with bed.link(root_key_file=bench.root_file) as link:
        bench.do("make-root", "--add", "--out", bench.root_file)
        link.context.key_desk.reload()
        worker = "SELECT roots FROM acrel_link_worker WHERE stopped_at IS NULL"
        await until(lambda: len((bed.one(worker) or "").split()) == 2, "told the roll")
        bench.do("roll")
        bench.do("rotate", "--serial", SERIAL)
        await found(link, 2)
        bench.root_file.write_text("nonsense")
        link.context.key_desk.reload()
        assert len(link.context.keys.roots) == 2
        bench.root_file.chmod(0o644)
        link.context.key_desk.reload()
        assert link.context.keys.find(SERIAL, 1)


async def test_links_keep_working_while_the_root_is_rolled(bench, bed):
    serials = [f"9900000000{number:04}" for number in range(60)]
    for serial in serials:
        bed.admin.execute(
            "INSERT INTO acrel_link (serial, active, channel) VALUES (%s, true, 'plain')", [serial]
        )
    handed = {link.serial: link.key for link in bench.issue(*serials).links}
    for serial in serials[::2]:
        bench.do("rotate", "--serial", serial)
    bench.do("make-root", "--add", "--out", bench.root_file)
    async with (
        bed.link(root_key_file=bench.root_file) as link,
        bed.link(root_key_file=bench.root_file) as second,
    ):
        workers = "SELECT count(*) FROM acrel_link_worker WHERE roots LIKE '%% %%'"
        await until(lambda: bed.one(workers) == 2, "both have both roots")
        job = bench.ask("roll")
        counter, rolled = 0, lambda: bench.job(job)["state"] != "queued"
        while not rolled() or counter < 3:
            counter += 1
            for number, serial in enumerate(serials):
                process = (link, second)[number % 2]
                key = process.context.keys.find(serial, 1)
                assert key is None or key.key == handed[serial]
                # every second rotating one moves on to its next key meanwhile
                if number % 4 == 0:
                    key = process.context.keys.find(serial, 2)
                assert await opened(process, key, counter), serial
        assert bench.job(job)["state"] == "done", bench.job(job)["message"]
    roots = bed.all("SELECT DISTINCT root_id FROM acrel_link_key WHERE wrapped IS NOT NULL")
    assert roots == [(bed.one("SELECT root_id FROM acrel_root_key WHERE state = 'current'"),)]
    assert roots != [(bench.root_id,)]
    bench.root_file.write_text(bench.root_file.read_text().splitlines()[1])
    async with bed.link(root_key_file=bench.root_file) as link:
        for number, serial in enumerate(serials):
            key = link.context.keys.find(serial, 2 if number % 4 == 0 else 1)
            assert key.boot_counter == counter
            assert key.state == "current"
            assert number % 4 == 0 or key.key == handed[serial]


async def test_certificate_job_hands_over_to_the_installer_alone(bench, bed, link_id):
    bench.do("authority", "--out", bench.file())
    private, public = bench.installer()
    async with bed.link(root_key_file=bench.root_file, sweep=60):
        job = bench.ask("certificate", link_id, recipient=Recipient.from_public_key(public))
        await until(lambda: bench.job(job)["state"] == "done", "carried out")
    row = bench.job(job)
    assert row["recipient"] is None
    [handed] = open_with_private_key(row["result"], private).certificates
    assert isinstance(handed, LinkCertificate)
    assert "PRIVATE KEY" in handed.private_key
    assert b"PRIVATE KEY" not in row["result"]
