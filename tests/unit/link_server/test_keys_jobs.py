"""Jobs: each carried out exactly once, whoever dies or races; nothing secret is left anywhere."""

import base64
import logging
import threading

import psycopg
import pytest
from psycopg import sql

from acrel_link.keys import jobs
from acrel_link.keys.package import Recipient, open_with_private_key
from acrel_link.keys.root import RootKeys

from .bed import until
from .key_bench import PASSPHRASE, KeyBench

SERIAL, OTHER = "99000000000001", "99000000000002"


@pytest.fixture
def bench(bed, tmp_path) -> KeyBench:
    return KeyBench(bed, tmp_path)


@pytest.fixture
def link_id(bed) -> int:
    return bed.add_link(SERIAL)[0]


async def test_two_link_processes_carry_out_each_job_once(bench, bed, link_id):
    async with (
        bed.link(root_key_file=bench.root_file, sweep=0.1),
        bed.link(root_key_file=bench.root_file, sweep=0.1),
    ):
        asked = [bench.ask("reissue", link_id) for _ in range(60)]
        await until(
            lambda: not bed.one("SELECT count(*) FROM acrel_key_job WHERE state = 'queued'"),
            "all carried out",
        )
    assert [version for version, _ in bench.keys(link_id)] == list(range(1, 61))
    assert bed.all("SELECT state, count(*) FROM acrel_key_job GROUP BY state") == [("done", 60)]
    assert bed.all("SELECT job_id FROM acrel_key_log WHERE action = 'issued' ORDER BY version") == [
        (job,) for job in asked
    ], "in the order they were asked for"


def test_four_at_once_carry_out_each_job_once(bench, bed, link_id):
    for _ in range(40):
        bench.ask("reissue", link_id)
    done, start = [], threading.Barrier(4)

    def work():
        start.wait()
        while (ended := bench.carry_out()) is not None:
            done.append(ended)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [(job, True) for job in range(1, 41)]
    assert [version for version, _ in bench.keys(link_id)] == list(range(1, 41))


async def test_a_process_that_dies_in_between_has_done_nothing(bench, bed, link_id):
    job = bench.ask("issue", link_id)
    failures = []

    def work():
        try:
            bench.carry_out()
        except psycopg.OperationalError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    with bed.second() as holder, holder.admin.transaction():
        # the job stops at its line in the log, after the key was inserted
        holder.admin.execute("LOCK TABLE acrel_key_log IN EXCLUSIVE MODE")
        thread.start()
        waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        pid = await until(lambda: bed.one(waiting), "the job waits")
        bed.admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        thread.join()
    assert len(failures) == 1
    assert bench.job(job)["state"] == "queued"
    assert bench.keys(link_id) == []
    assert bench.carry_out() == (job, True)
    assert bench.keys(link_id) == [(1, "current")]
    assert bench.logged() == ["issued"]


def test_a_refused_job_says_why_and_leaves_nothing(bench, bed, link_id):
    other = bed.add_link(OTHER)[0]
    assert bench.carry_out(bench.ask("issue", link_id)) is not None
    job = bench.ask("rotate", other, link_id)
    assert bench.carry_out() == (job, False)
    row = bench.job(job)
    assert row["state"] == "failed"
    assert row["message"] == (
        f"Link {OTHER} has no key that could be rotated: issue one and hand it over at the bench."
    )
    assert bench.keys(link_id) == [(1, "current")], "what was done for the first is undone"
    assert bench.logged() == ["issued", "rotate_refused"]


def test_a_fault_of_the_program_fails_the_job_alone(bench, bed, link_id, monkeypatch, caplog):
    def broken(work):
        jobs.ACTIONS["issue"](work)
        raise ZeroDivisionError

    monkeypatch.setitem(jobs.ACTIONS, "rotate", broken)
    first, second = bench.ask("rotate", link_id), bench.ask("issue", link_id)
    assert bench.carry_out() == (first, False)
    assert bench.keys(link_id) == []
    assert "log says why" in bench.job(first)["message"]
    assert "ZeroDivisionError" in caplog.text
    assert bench.carry_out() == (second, True)


def test_an_archived_link_gets_no_key(bench, bed, link_id):
    bed.admin.execute("UPDATE acrel_link SET active = false")
    job = bench.ask("issue", link_id)
    assert bench.carry_out() == (job, False)
    assert "archived or gone" in bench.job(job)["message"]


def test_without_a_root_key_only_revocations_are_done(bench, bed, link_id):
    bench.issue(SERIAL)
    rotate, revoke = bench.ask("rotate", link_id), bench.ask("revoke", link_id)
    assert bench.carry_out(roots=RootKeys()) == (revoke, True)
    assert bench.carry_out(roots=RootKeys()) is None
    assert bench.job(rotate)["state"] == "queued"


async def test_a_package_that_nobody_fetched_is_deleted(bench, bed, link_id):
    _, public = bench.installer()
    async with bed.link(root_key_file=bench.root_file, sweep=0.1):
        job = bench.ask("issue", link_id, recipient=Recipient.from_public_key(public))
        await until(lambda: bench.job(job)["result"], "packaged")
        bed.admin.execute("UPDATE acrel_key_job SET finished_at = finished_at - interval '8 days'")
        await until(lambda: bench.job(job)["result"] is None, "deleted")
    assert "Nobody fetched" in bench.job(job)["message"]
    assert bench.logged()[-1] == "package_expired"


@pytest.mark.parametrize("user", ["postgres", "acrel_link"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acrel_key_log SET actor = 'nobody'",
        "DELETE FROM acrel_key_log",
        "TRUNCATE acrel_key_log",
    ],
)
def test_the_log_is_only_added_to(bench, bed, link_id, user, statement):
    bench.issue(SERIAL)
    before = bed.all("SELECT * FROM acrel_key_log ORDER BY id")
    with psycopg.connect(bed.dsn, user=user, autocommit=True) as connection:
        refusals = (psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)
        with pytest.raises(refusals):
            connection.execute(statement)
    assert bed.all("SELECT * FROM acrel_key_log ORDER BY id") == before


async def test_no_secret_is_left_in_log_or_database(bench, bed, link_id, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    async with bed.link(root_key_file=bench.root_file) as link:
        [handed] = bench.issue(SERIAL).links
        bench.do("rotate", "--serial", SERIAL)
        ring = link.context.keys
        key = await until(lambda: ring.find(SERIAL, 2), "next")
        order = ring.rekey_due(link_id)
        shown = f"{key!r} {order!r} {ring!r} {ring.roots!r} {link.context.key_desk!r}"
        bench.do("authority", "--out", bench.file())
        path = bench.file()
        bench.do(
            *("certificate", "--serial", SERIAL, "--out", path),
            *("--passphrase-file", bench.passphrase_file),
        )
        private, public = bench.installer()
        job = bench.ask("certificate", link_id, recipient=Recipient.from_public_key(public))
        await until(lambda: bench.job(job)["state"] == "done", "certified")
        [certificate] = open_with_private_key(bench.job(job)["result"], private).certificates
        bench.do("make-root", "--add", "--out", bench.root_file)
        link.context.key_desk.reload()
        roots = "SELECT count(*) FROM acrel_link_worker WHERE roots LIKE '%% %%'"
        await until(lambda: bed.one(roots), "loaded")
        bench.do("roll")
        bench.refused("rotate", "--serial", SERIAL)
        bench.do("revoke", "--serial", SERIAL)
    secrets = [handed.key, key.key, private, PASSPHRASE.encode()]
    secrets += [bytes.fromhex(line) for line in bench.root_file.read_text().splitlines()]
    told = "".join(capfd.readouterr())
    places = {"log": caplog.text, "output": told, "representations": shown}
    for (table,) in bed.all("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        rows = bed.admin.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)))
        places[table] = "\n".join(row[0] for row in rows)
    assert SERIAL in places["acrel_key_log"]
    for where, text in places.items():
        for secret in secrets:
            for form in (
                secret.hex(),
                base64.b64encode(secret).decode(),
                repr(secret)[2:-1],
                secret.decode("latin-1"),
            ):
                assert form not in text, where
        assert "PRIVATE KEY" not in text, where
        assert certificate.private_key.splitlines()[1] not in text, where
