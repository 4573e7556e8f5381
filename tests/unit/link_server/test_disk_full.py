"""PostgreSQL's own disk is full: the spool takes over, and all is stored when there is room again.

The day's readings lie on a small disk that something else fills. Where a test may mount, that is a
tmpfs and the fault the real one. Elsewhere the system lets no file of the server grow further
(RLIMIT_FSIZE, from outside): PostgreSQL writes part of a page and says what it says of a full disk.
In both its log has room, or it would stop, which is another test.
"""

import contextlib
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from acrel_link import commands
from house.children import descendants
from house.cluster import Cluster

from .bed import Bed, until
from .test_spooling import QUICK, all_stored, segments, stored
from .test_uploads import SERIAL, acknowledged, upload

DISK = 4 << 20  # bytes
LOG_SEGMENT = 16 << 20  # bytes; a file of the server's own log must have room
NOBODY = 1_000_000  # a meter that is none: its rows only take room
ROWS = """
INSERT INTO acrel_reading_raw (received_at, meter_id, source)
SELECT localtimestamp, %s, 3 FROM generate_series(1, %s)
"""


@contextlib.contextmanager
def small_disk(cluster: Cluster, bed: Bed, table: sql.Identifier) -> Iterator[Callable]:
    """Lay a table on a tmpfs; give what fills it for as long as a block lasts."""
    folder = cluster.place.base / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount")
        try:
            shutil.chown(folder, cluster.place.user)
            make = sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(folder))
            bed.admin.execute(make)
            bed.admin.execute(sql.SQL("ALTER TABLE {} SET TABLESPACE small").format(table))

            @contextlib.contextmanager
            def full() -> Iterator[None]:
                filler = folder / "filler"
                with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
                yield
                filler.unlink()

            yield full
            bed.admin.execute(sql.SQL("ALTER TABLE {} SET TABLESPACE pg_default").format(table))
            bed.admin.execute("DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()


@contextlib.contextmanager
def small_files(cluster: Cluster, bed: Bed, table: sql.Identifier) -> Iterator[Callable]:
    """Make a table as large as a file may be; give what forbids more for as long as a block."""
    bed.admin.execute(sql.SQL("ALTER TABLE {} SET (fillfactor = 10)").format(table))
    while (size := _file(cluster, bed, table).stat().st_size) <= LOG_SEGMENT:
        bed.admin.execute(ROWS, [NOBODY, 20_000])
        bed.admin.execute("CHECKPOINT")

    @contextlib.contextmanager
    def full() -> Iterator[None]:
        _limit(cluster, size + 100)
        try:
            yield
        finally:
            _limit(cluster, "unlimited")

    yield full


def _file(cluster: Cluster, bed: Bed, table: sql.Identifier) -> Path:
    path = bed.one("SELECT pg_relation_filepath(%s::regclass)", table.as_string(bed.admin))
    return cluster.place.data / path


def _limit(cluster: Cluster, size: int | str) -> None:
    """Let no file of the server's processes, present and future, grow beyond a size."""
    user = cluster.place.user
    for pid in (cluster.child.pid, *descendants(cluster.child.pid)):
        subprocess.run(
            ["prlimit", f"--pid={pid}", f"--fsize={size}:unlimited"],
            capture_output=True,
            check=False,  # one that has ended meanwhile needs no limit
            **({"user": user, "group": pwd.getpwnam(user).pw_gid} if user else {}),
        )


@pytest.mark.parametrize("fault", [small_disk, small_files])
async def test_a_full_disk_of_the_server_loses_nothing_and_ends_by_itself(
    cluster, bed, tmp_path, fault
):
    _, meter, _ = bed.add_link(SERIAL, outputs=())
    folder = tmp_path / "spool"
    async with bed.link(spool=folder, **QUICK) as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        numbers = iter(range(1000, 100_000))
        sent: list[int] = []

        async def send() -> None:
            sent.append(next(numbers))
            peer.send(upload(sent[-1]))
            assert await acknowledged(peer)

        await send()
        await all_stored(link, folder)
        day = bed.one("SELECT tableoid::regclass::text FROM acrel_reading_raw LIMIT 1")
        with fault(cluster, bed, sql.Identifier(day)) as full:
            with full():
                with pytest.raises(psycopg.errors.DiskFull):
                    bed.admin.execute(ROWS, [NOBODY, 100_000])
                while not segments(folder):
                    await send()
                for _ in range(50):
                    await send()
                kept = link.context.writer.spooled[1]
                assert kept >= 50, "acknowledged from the link's own disk"
                assert len(stored(bed)) + kept >= len(sent)
            await all_stored(link, folder)
            assert stored(bed) == sent, "each once, in order, so the sum of energies is equal"
            live = bed.row("acrel_meter_live", "meter_id", meter)
            assert live["e_forward"] == sent[-1]
            await until(
                lambda: all(event["end_at"] for event in bed.events("spooling")), "the event's end"
            )
            assert "PostgreSQL takes nothing" in bed.events("spooling")[-1]["message"]
