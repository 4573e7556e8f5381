"""Meters spread over several link processes by a TCP balancer; one of the processes dies."""

import asyncio
from collections import Counter

from acrel_link.commands import UPLOAD
from acrel_link.simulator import Fleet, Options
from relay import relay

from .bed import Bed, until
from .test_settings import start

FIRST = 99_000_000_000_001
METERS = 12
QUICK = {
    "poll_closed": "0.3",
    "poll_idle": "0.5",
    "sweep": "0.3",
    "request_timeout": "1",
    "probe_timeout": "1",
    "feedback_time": "0.5",
    "retry_first": "0.1",
    "retry_last": "0.5",
    "log_level": "error",
}


class Site:
    """Meters behind a balancer, and the link processes that it spreads them over."""

    def __init__(self, bed: Bed, balancer):
        self.bed, self.balancer = bed, balancer
        self.outputs = {
            str(FIRST + number): bed.add_link(str(FIRST + number))[2] for number in range(METERS)
        }
        self.processes: dict[int, asyncio.subprocess.Process] = {}  # by the id of the worker

    async def start(self) -> None:
        """Start one more link process on this database."""
        process = await start(dsn=self.bed.dsn, **QUICK)
        query = "SELECT id, listen FROM acrel_link_worker WHERE pid = %s"
        [(worker, listen)] = await until(lambda: self.bed.all(query, process.pid), "it listens")
        self.processes[worker] = process
        host, _, port = listen.rpartition(" ")[2].rpartition(":")
        self.balancer.targets.append((host, int(port)))

    def owners(self) -> dict[str, int]:
        """Return which worker has each meter that is online."""
        query = (
            "SELECT l.serial, v.worker_id FROM acrel_link_live v JOIN acrel_link l"
            " ON l.id = v.link_id WHERE v.online"
        )
        return dict(self.bed.all(query))

    def spread(self) -> list[int]:
        """Return how many meters each process has."""
        return sorted(Counter(self.owners().values()).values())

    async def end(self) -> None:
        """Stop what still runs."""
        for process in self.processes.values():
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.communicate(), 30)


async def test_meters_of_a_killed_process_go_on_at_the_other(bed):
    with relay() as balancer:
        site = Site(bed, balancer)
        options = {"interval": 0.2, "retry": 0.5, "heartbeat": 1, "load": 50_000}
        try:
            await site.start()
            await site.start()
            fleet = Fleet(Options(balancer.server_address, count=METERS, **options))
            async with fleet:
                await until(lambda: site.spread() == [METERS // 2] * 2, "half of them each")
                await _kill_one(bed, site, fleet)
        finally:
            await site.end()


async def _kill_one(bed: Bed, site: Site, fleet: Fleet) -> None:
    fleet.fault("*", "duplicate", 1)
    dead, alive = site.processes
    before = site.owners()
    # on either process: one that stays closed, one to be opened and one to be closed meanwhile
    stays, opens, closes = (
        [[serial for serial, owner in before.items() if owner == worker][number] for worker in
         (dead, alive)]
        for number in range(3)
    )  # fmt: skip

    def contactors() -> set[str]:
        return {meter["serial"] for meter in fleet.state("*") if meter["contactor"]}

    def states() -> set[str]:
        return {
            serial for serial, one in site.outputs.items() if bed.live(one).get("state") == "closed"
        }

    for serial in (*stays, *opens):
        bed.want(site.outputs[serial], "closed")
    await until(lambda: contactors() == states() == {*stays, *opens}, "they are closed")

    site.processes[dead].kill()
    for serial in opens:
        bed.want(site.outputs[serial], "open")
    for serial in closes:
        bed.want(site.outputs[serial], "closed")
    await until(lambda: site.owners() == dict.fromkeys(before, alive), "all are at the other")
    await until(lambda: contactors() == states() == {*stays, *closes}, "outputs are as wanted")

    for serial in stays:
        closed = [closed for _, closed in fleet.state(serial)["relay_writes"]]
        assert closed == [True], "it was closed once, and not again by the other process"
    settled = {meter["serial"]: meter["uploads_acknowledged"] for meter in fleet.state("*")}
    await until(
        lambda: all(
            meter["uploads_acknowledged"] > settled[meter["serial"]] + 2
            for meter in fleet.state("*")
        ),
        "uploads go on",
    )
    fleet.pause("*")

    def quiet() -> bool:
        totals = fleet.totals()
        return totals["uploads_sent"] == totals["uploads_acknowledged"]

    await until(quiet, "every upload is acknowledged in the end")
    stored = dict(
        bed.all(
            "SELECT m.serial, count(*) FROM acrel_reading_raw r JOIN acrel_meter m"
            " ON m.id = r.meter_id WHERE r.source = %s GROUP BY m.serial",
            UPLOAD,
        )
    )
    told = {meter["serial"]: meter["uploads_acknowledged"] for meter in fleet.state("*")}
    assert stored == told, "each acknowledged upload once"
    for kind in ("register_fell", "opened_itself", "identity_mismatch"):
        assert not bed.events(kind)
