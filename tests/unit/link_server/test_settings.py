"""Settings: one clear sentence and exit code 2 when they are wrong."""

import asyncio
import os
import socket
import sys

import pytest

from acrel_link import database
from acrel_link.__main__ import EXIT_RESTART
from acrel_link.database import SCHEMA_VERSION, answers
from acrel_link.settings import SettingsError, read_settings

from .bed import ADDON, until


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("LISTEN", "8450", "127.0.0.1:8450"),
        ("LISTEN", "127.0.0.1:65536", "127.0.0.1:8450"),
        ("LISTEN", "meters.example:8450", "IP address"),
        ("LISTEN", "0.0.0.0:8450", "ACREL_LINK_ALLOW"),
        ("LISTEN_TLS", "127.0.0.1:8451", "ACREL_LINK_TLS_CERTIFICATE"),
        ("LISTEN_SEALED", "8452", "127.0.0.1:8450"),
        ("LIMITS_SEALED", "256", "256,200"),
        ("LAB", "perhaps", "yes or no"),
        ("ALLOW", "10.0.0.1/8", "no network"),
        ("ALLOW", "everybody", "no network"),
        ("POLL_CLOSED", "0", "seconds"),
        ("POLL_CLOSED", "soon", "seconds"),
        ("POLL_IDLE", "nan", "seconds"),
        ("MAX_CONNECTIONS", "-1", "whole number"),
        ("METER_TIME", "8", "+08:00"),
        ("LOG_LEVEL", "loud", "debug"),
    ],
)
def test_a_wrong_setting_is_one_sentence(name, value, word):
    with pytest.raises(SettingsError) as caught:
        read_settings([], {f"ACREL_LINK_{name}": value})
    text = str(caught.value)
    assert f"ACREL_LINK_{name}" in text
    assert word in text
    assert "\n" not in text


def test_an_unknown_argument_is_refused():
    with pytest.raises(SettingsError, match="--bogus"):
        read_settings(["--bogus"], {})


def test_arguments_go_before_the_environment():
    settings = read_settings(["--poll-closed", "3"], {"ACREL_LINK_POLL_CLOSED": "4"})
    assert settings.poll_closed == 3


def test_only_loopback_is_allowed_unless_told_otherwise():
    settings = read_settings([], {})
    assert settings.allows("127.0.0.1") and settings.allows("::1")
    assert settings.allows("::ffff:127.0.0.1")
    assert not settings.allows("10.0.0.1")


def test_listed_networks_are_allowed():
    settings = read_settings(["--listen", "0.0.0.0:1", "--allow", "10.1.0.0/16, 127.0.0.1"], {})
    assert settings.allows("10.1.2.3") and settings.allows("127.0.0.1")
    assert not settings.allows("10.2.0.1")


async def start(**environment) -> asyncio.subprocess.Process:
    told = {f"ACREL_LINK_{name.upper()}": value for name, value in environment.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "acrel_link",
        env={**os.environ, "PYTHONPATH": str(ADDON), "ACREL_LINK_LISTEN": "127.0.0.1:0", **told},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def exit_of(**environment) -> tuple[int, str]:
    process = await start(**environment)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, errors.decode().strip()


async def test_exit_code_2_for_a_wrong_setting():
    code, text = await exit_of(listen="nowhere")
    assert (code, text.count("\n")) == (2, 0)
    assert text.startswith("acrel_link: ACREL_LINK_LISTEN")


async def test_exit_code_2_without_the_role(bed):
    code, text = await exit_of(dsn=bed.dsn.replace("user=acrel_link", "user=nobody_here"))
    assert code == 2
    assert "nobody_here" in text and text.count("\n") == 0


async def test_exit_code_2_without_the_schema(bed):
    code, text = await exit_of(dsn=bed.dsn.replace(f"dbname={bed.name}", "dbname=postgres"))
    assert code == 2
    assert "odoo -d postgres -u acrel_meter_link" in text and text.count("\n") == 0


async def test_exit_code_2_without_the_rights(bed):
    bed.admin.execute("REVOKE ALL ON acrel_output_wanted FROM acrel_link")
    code, text = await exit_of(dsn=bed.dsn)
    assert code == 2
    assert "acrel_output_wanted" in text and text.count("\n") == 0


@pytest.mark.parametrize(
    ("version", "todo"),
    [(SCHEMA_VERSION - 1, "-u acrel_meter_link"), (SCHEMA_VERSION + 1, "start the version")],
)
async def test_exit_code_2_for_tables_of_another_version(bed, version, todo):
    bed.admin.execute("UPDATE acrel_schema_version SET version = %s", [version])
    code, text = await exit_of(dsn=bed.dsn)
    assert code == 2
    assert todo in text and f"version {version}" in text and text.count("\n") == 0


async def test_it_makes_room_when_the_tables_are_upgraded_under_it(bed):
    process = await start(dsn=bed.dsn, sweep="0.1")
    await until(lambda: bed.all("SELECT 1 FROM acrel_link_worker"), "it started")
    bed.admin.execute("UPDATE acrel_schema_version SET version = version + 1")
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == EXIT_RESTART, errors.decode()
    assert "makes room" in errors.decode().splitlines()[-1]


def test_the_tables_have_the_version_that_the_code_works_on(bed):
    assert bed.one("SELECT version FROM acrel_schema_version") == SCHEMA_VERSION


async def test_exit_code_2_when_the_port_is_taken(bed):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, text = await exit_of(dsn=bed.dsn, listen=address)
    assert code == 2
    assert address in text.splitlines()[-1]


async def test_it_stops_on_sigterm_and_says_so(bed):
    process = await start(dsn=bed.dsn)
    await until(lambda: bed.all("SELECT 1 FROM acrel_link_worker"), "it started")
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    assert bed.one("SELECT stopped_at FROM acrel_link_worker") is not None


async def test_a_password_is_never_logged(bed):
    process = await start(dsn=bed.dsn + " password=s3cret-word", log_level="debug")
    await until(lambda: bed.all("SELECT 1 FROM acrel_link_worker"), "it started")
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert b"Listening" in errors
    assert b"s3cret-word" not in errors


async def test_it_waits_for_a_server_that_is_away(cluster, bed):
    bed.close()
    cluster.stop()
    process = await start(dsn=bed.dsn)
    try:
        line = await asyncio.wait_for(process.stderr.readline(), 30)
        assert b"takes no connection yet" in line
    finally:
        cluster.start()
    await until(lambda: bed.all("SELECT 1 FROM acrel_link_worker"), "it started")
    process.terminate()
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


async def test_it_waits_for_a_server_that_is_full(bed):
    bed.admin.execute("ALTER ROLE acrel_link CONNECTION LIMIT 0")
    try:
        process = await start(dsn=bed.dsn)
        line = await asyncio.wait_for(process.stderr.readline(), 30)
        assert b"takes no connection yet" in line
    finally:
        bed.admin.execute("ALTER ROLE acrel_link CONNECTION LIMIT -1")
    await until(lambda: bed.all("SELECT 1 FROM acrel_link_worker"), "it started")
    process.terminate()
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


def test_a_server_that_comes_up_while_it_is_asked_is_no_wrong_setting(cluster, bed, monkeypatch):
    def up_by_now(dsn):
        if not cluster.alive():
            cluster.start()
        return answers(dsn)

    monkeypatch.setattr(database, "answers", up_by_now)
    bed.close()
    cluster.stop()
    assert database.check(bed.dsn)
