"""The meter agent between plain Modbus meters and a real link process, on sealed and on tls."""

import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from acrel_link.commands import UPLOAD
from acrel_link.simulator.device import Device
from acrel_link.uploads import parse_upload
from meter_agent import agent as agent_module
from meter_agent.cli import main
from meter_agent.config import Config

from ..agent.lines import device, serial_bus, serial_meters, tcp_bus, tcp_meters
from ..agent.station import agent, config_for
from .bed import Bed, Link, until
from .key_bench import KeyBench

SERIAL = "12307210720085"
CHANNELS = ["sealed", "tls"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(agent_module, "BACKOFF_FIRST", 0.05)
    monkeypatch.setattr(agent_module, "BACKOFF_LAST", 0.1)


class Site:
    """A box at the site, its meters, and the link process it calls."""

    def __init__(self, bed: Bed, folder, channel: str):
        self.bed, self.folder, self.channel = bed, folder, channel
        self.bench = KeyBench(bed, folder)
        self.devices: dict[int, Device] = {}
        self.port = 0
        self._listener = "127.0.0.1:0"

    def add_link(self, *slaves: int) -> tuple[int, int, int]:
        ids = self.bed.add_link(SERIAL, slaves=slaves)
        self.bed.admin.execute("UPDATE acrel_link SET channel = %s", [self.channel])
        return ids

    @contextlib.asynccontextmanager
    async def link(self):
        """Run the link process; after a restart it listens where it did before."""
        told = {"listen": "", f"listen_{self.channel}": self._listener}
        if self.channel == "tls":
            files = {name: self.folder / f"listener-{name}" for name in ("certificate", "key")}
            authority = self.folder / "authority.pem"
            if not authority.exists():
                self.bench.do("authority", "--out", authority)
                words = ("--certificate-out", files["certificate"], "--key-out", files["key"])
                self.bench.do("listener-certificate", "--name", "127.0.0.1", *words)
            told |= {f"tls_{name}": file for name, file in files.items()}
            told["tls_authority"] = authority
        async with self.bed.link(root_key_file=self.bench.root_file, **told) as link:
            host, port = link.server.addresses[self.channel]
            self._listener = f"{host}:{port}"
            yield link

    def config(self, bus: int | str) -> Config:
        """Return what the box is told; the file that it reads names the same.

        :param bus: port of a Modbus TCP device, or a serial port
        """
        port = int(self._listener.rpartition(":")[2])
        bus = (tcp_bus if isinstance(bus, int) else serial_bus)(bus, *self.devices)
        config = config_for(self.folder, port, bus, channel=self.channel)
        file = self.folder / "agent.toml"
        file.write_text(file.read_text().replace("sealed", self.channel))
        return config

    def hand_over(self) -> None:
        """Issue what proves the link, and import it with the agent's own command."""
        package = self.bench.file()
        secret = ("--passphrase-file", str(self.bench.passphrase_file))
        if self.channel == "tls":
            self.bench.do("certificate", "--serial", SERIAL, "--out", package, *secret)
        else:
            self.bench.do("issue", "--serial", SERIAL, "--out", package, *secret)
        self.bed.notify()
        code = main(["--config", str(self.folder / "agent.toml"), "import", str(package), *secret])
        assert code == 0

    # === What is seen === #

    def registers(self, meter: int) -> list[int]:
        """Return what the meter's uploads measured, as they were stored."""
        rows = self.bed.all(
            "SELECT e_forward FROM acrel_reading_raw WHERE meter_id = %s AND source = %s"
            " ORDER BY received_at",
            meter,
            UPLOAD,
        )
        return [row[0] for row in rows]

    def online(self, link: Link) -> bool:
        return any(line.link.serial == SERIAL for line in link.server.online)


@pytest.fixture(params=CHANNELS)
def site(request, bed, tmp_path) -> Site:
    return Site(bed, tmp_path, request.param)


@pytest.mark.parametrize("meters", [tcp_meters, serial_meters])
async def test_meters_behind_an_agent_are_stored_switched_and_guarded(site, meters):
    site.devices = {1: device(1000), 2: device(2000)}
    _, meter, output = site.add_link(1, 2)
    async with meters(site.devices) as modbus, site.link() as link:
        config = site.config(modbus)
        site.hand_over()
        async with agent(config) as running:
            await until(lambda: site.online(link), "the agent registers")
            line = link.server.online[0]
            assert line.entrusted is not None
            assert line.channel.name == site.channel
            await until(lambda: site.registers(meter), "an upload of the first is stored")
            await until(lambda: site.registers(meter + 1), "and of the second")
            assert set(site.registers(meter)) == {1000}
            assert set(site.registers(meter + 1)) == {2000}
            row = site.bed.row("acrel_meter_live", "meter_id", meter)
            assert abs(row["meter_clock"] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(
                hours=8, minutes=1
            )

            revision = site.bed.want(output, "closed", guard_energy=5000)
            await until(lambda: site.bed.live(output).get("state") == "closed", "it closes")
            assert site.devices[1].relay
            assert not site.devices[2].relay
            kept = running.guards._kept[1, 1].order
            assert (kept.revision, kept.register, kept.hold) == (revision, 6000, False)

            site.bed.want(output, "closed", guard_energy=7000)
            await until(
                lambda: running.guards._kept[1, 1].order.register == 8000, "the guard moves"
            )
            site.bed.want(output, "open")
            await until(lambda: site.bed.live(output)["state"] == "open", "it opens")
            await until(lambda: not running.guards._kept, "the guard is taken away")
        assert not site.bed.events("register_fell")
        assert not site.bed.events("reading_refused")


def energy_of(body: bytes) -> int:
    upload = parse_upload(body)
    return upload.layout.unpack(upload.data)[upload.layout.columns.index("e_forward")]


async def test_line_that_breaks_again_and_again_loses_and_doubles_nothing(site):
    site.devices = {1: device(5000, load=30_000, speed=200)}
    site.devices[1].write(time.time_ns(), 0x01C2, (1,))
    _, meter, _ = site.add_link(1)
    measured = []
    async with tcp_meters(site.devices) as modbus:
        async with site.link():
            config = site.config(modbus)
            site.hand_over()
        async with agent(config) as running:
            keep = running._keep

            def kept(slave: int, command: int, body: bytes) -> None:
                keep(slave, command, body)
                measured.append((command, body))

            running.meters[1]._spool = kept
            await until(lambda: running.spool.frames > 5, "it measures without a line")
            for _ in range(3):
                async with site.link() as link:
                    await until(lambda: site.online(link), "it is back")
                    before = len(site.registers(meter))
                    await until(
                        lambda: len(site.registers(meter)) > before + 3,  # noqa: B023
                        "uploads are stored",
                    )
            async with site.link() as link:
                await until(lambda: site.online(link), "it is back")
                await until(lambda: not running.spool.frames, "the spool is drained")
                running.meters[1].config = replace(running.meters[1].config, poll_closed=3600.0)
        stored = site.registers(meter)
    sent = measured[: len(measured) - running.spool.frames]
    # Twice the same registers in the same second are one upload to whoever receives them.
    bodies = dict.fromkeys(body for command, body in sent if command == UPLOAD)
    assert len(stored) > 12
    assert stored == [energy_of(body) for body in bodies]
    assert stored == sorted(stored)
    assert not site.bed.events("register_fell")


async def test_agent_opens_at_the_guard_while_the_link_is_away(site):
    site.devices = {1: device(5000, load=30_000, speed=400)}
    _, _, output = site.add_link(1)
    async with tcp_meters(site.devices) as modbus:
        async with site.link() as link:
            config = site.config(modbus)
            site.hand_over()
        async with agent(config) as running:
            async with site.link() as link:
                await until(lambda: site.online(link), "the agent registers")
                site.bed.want(output, "closed", guard_energy=300)
                await until(lambda: site.bed.live(output).get("state") == "closed", "it closes")
            await until(lambda: not site.devices[1].relay, "the agent opens by itself")
            opened_at = site.devices[1].register(time.time_ns())
            assert opened_at >= 5300
            async with site.link():
                row = await until(
                    lambda: (found := site.bed.live(output))["open_revision"] and found,
                    "the link knows",
                )
                assert row["guard_tripped"] == "energy"
                assert row["open_register"] == opened_at
                assert row["guard_tripped_at"] < row["observed_at"]
                assert len(site.bed.events("guard_tripped")) == 1
                assert not site.bed.events("opened_itself")
            assert running.guards.watches(1) is False


@pytest.mark.parametrize("site", ["tls"], indirect=True)
async def test_guard_by_time_goes_by_the_server_s_time_whatever_local_time_is_told(site):
    site.devices = {1: device(5000)}
    _, _, output = site.add_link(1)
    async with tcp_meters(site.devices) as modbus, site.link() as link:
        config = replace(site.config(modbus), utc_offset=UTC)  # 8 h from what the link tells
        site.hand_over()
        async with agent(config) as running:
            await until(lambda: site.online(link), "the agent registers")
            soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
            site.bed.want(output, "closed", guard_until=soon)
            await until(lambda: site.bed.live(output).get("state") == "closed", "it closes")
            assert abs(running.clock.now() - time.time()) < 60
            assert not running.guards.closed_for_good(1, 1)
            assert site.devices[1].relay


@pytest.mark.parametrize("site", ["sealed"], indirect=True)
async def test_agent_never_opens_what_holds(site):
    site.devices = {1: device(5000, load=30_000, speed=400)}
    _, _, output = site.add_link(1)
    async with tcp_meters(site.devices) as modbus:
        async with site.link() as link:
            config = site.config(modbus)
            site.hand_over()
        async with agent(config) as running:
            async with site.link() as link:
                await until(lambda: site.online(link), "the agent registers")
                site.bed.want(output, "closed", guard_energy=100, on_doubt="hold")
                await until(lambda: site.bed.live(output).get("state") == "closed", "it closes")
                await until(lambda: running.guards._kept, "the agent knows")
            meter = site.devices[1]
            await until(lambda: meter.register(time.time_ns()) > 5200, "far past the guard")
            before = running.spool.frames
            await until(lambda: running.spool.frames > before + 3, "it has looked")
            assert meter.relay


@pytest.mark.parametrize("site", ["sealed"], indirect=True)
async def test_close_without_an_agent_that_takes_over_the_guard_is_refused(site):
    site.devices = {1: device(5000)}
    _, _, output = site.add_link(1)
    async with tcp_meters(site.devices) as modbus, site.link() as link:
        config = site.config(modbus)
        site.hand_over()
        async with agent(config) as running:
            await until(lambda: site.online(link), "the agent registers")
            running.guards._slaves = set()
            site.bed.want(output, "closed", guard_energy=100)
            await until(lambda: site.bed.events("close_refused"), "the close is refused")
            assert "no meter with this slave address" in site.bed.live(output)["error"]
            assert not site.devices[1].relay
            # without a limit there is nothing to hand over
            site.bed.want(output, "open")
            site.bed.want(output, "closed")
            await until(lambda: site.devices[1].relay, "it closes")


@pytest.mark.parametrize("site", ["sealed"], indirect=True)
async def test_meter_that_odoo_does_not_know_holds_up_no_other(site):
    site.devices = {1: device(1000), 9: device(9000)}
    _, meter, _ = site.add_link(1)
    async with tcp_meters(site.devices) as modbus, site.link():
        config = site.config(modbus)
        site.hand_over()
        async with agent(config) as running:
            await until(lambda: 9 in running._refusals.held(), "its uploads are left out")
            before = len(site.registers(meter))
            await until(lambda: len(site.registers(meter)) > before + 3, "the other goes on")
        assert site.bed.readings() == site.bed.readings(meter)


async def test_revoked_key_keeps_the_agent_out_until_a_new_one_is_imported(site):
    site.devices = {1: device(1000)}
    _, meter, _ = site.add_link(1)
    async with tcp_meters(site.devices) as modbus, site.link() as link:
        config = site.config(modbus)
        site.hand_over()
        async with agent(config):
            await until(lambda: site.online(link), "the agent registers")
            word = "revoke-certificate" if site.channel == "tls" else "revoke"
            site.bench.do(word, "--serial", SERIAL)
            await until(lambda: not site.online(link), "its line is closed")
            stored = len(site.registers(meter))
        site.hand_over()
        async with agent(config):
            await until(lambda: site.online(link), "the new one is good")
            await until(lambda: len(site.registers(meter)) > stored, "what waited arrives")
