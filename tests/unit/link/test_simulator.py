"""The simulated meter over real sockets: what an ADW300 does, and what can go wrong with it."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

import acrel_link
from acrel_link import commands, rtu
from acrel_link.errors import RefusedError
from acrel_link.registers import BILLING_BLOCK, BY_NAME, layout
from acrel_link.simulator import Fleet, Options, OptionsError
from acrel_link.simulator.fleet import FleetError

from .listener import listening, until

SERIAL = "99000000000001"
DO1, DO2, DI, FORWARD = 0x01C2, 0x01C3, 0x003A, 0x003E


@asynccontextmanager
async def meters(**options):
    async with listening() as listener:
        settings = {"interval": 60, "start_register": 5000, **options}
        async with Fleet(Options(connect=listener.address, **settings)) as fleet:
            await until(lambda: fleet.totals()["registered"] == settings.get("count", 1))
            yield fleet, listener


async def contactor(line, closed: bool) -> None:
    async with asyncio.timeout(10):
        while bool(await line.number(DI) & 1) != closed:
            pass


def value(upload, name: str) -> int:
    return dict(zip(upload.layout.columns, upload.layout.unpack(upload.data), strict=True))[name]


async def test_registers_asks_the_time_and_uploads():
    async with meters() as (fleet, listener):
        await until(lambda: fleet.totals()["uploads_acknowledged"])
        register, time, upload = listener.line.frames
        registration = commands.parse_register(register.body)
        assert (registration.serial, registration.upload_minutes) == (SERIAL, 1)
        assert commands.parse_time_request(time.body) == SERIAL
        assert upload.command == commands.UPLOAD
        read = listener.line.uploads()[0]
        assert (read.serial, read.sequence, read.outputs) == (SERIAL, 1, bytes(4))
        assert value(read, "e_forward") == 5000
        assert value(read, "p") == 0


async def test_serials_are_consecutive():
    async with meters(count=3, serial_start=12345678901234) as (fleet, _):
        assert fleet.serials() == ["12345678901234", "12345678901235", "12345678901236"]
        assert [state["serial"] for state in fleet.state("*")] == fleet.serials()
        with pytest.raises(FleetError, match="no meter '7'"):
            fleet.state("7")


async def test_clock_follows_the_server():
    async with meters() as (_, listener):
        line = listener.line
        await until(lambda: any(frame.command == commands.UPLOAD for frame in line.frames))
        data = await line.read(*BILLING_BLOCK)
        clock = layout(BILLING_BLOCK).clock(data, date(2031, 5, 6))
        assert timedelta(0) <= clock - datetime(2031, 5, 6, 7, 8, 9) < timedelta(minutes=5)


async def test_heartbeats():
    async with meters(heartbeat=0.05) as (_, listener):
        await until(lambda: sum(f.command == 0x94 for f in listener.line.frames) >= 3)


async def test_closing_starts_the_load_and_opening_ends_it():
    async with meters(load=6000, speed=3600) as (fleet, listener):
        line = listener.line
        assert await line.number(DO1) == 0
        await line.switch(True)
        assert await line.number(DO1) == 1
        await contactor(line, True)
        plan = layout(BILLING_BLOCK)
        read = dict(zip(plan.columns, plan.unpack(await line.read(*BILLING_BLOCK)), strict=True))
        assert 5970 <= read["p"] <= 6030
        assert read["pa"] + read["pb"] + read["pc"] == read["p"]
        assert abs(read["ia"] * read["ua"] - read["sa"] * 1000) <= read["ua"]
        assert abs(read["p"] ** 2 + read["q"] ** 2 - read["s"] ** 2) < read["s"] ** 2 // 200
        assert read["pf"] == pytest.approx(1000 * read["p"] / read["s"], abs=1)
        before = await line.number(FORWARD, 2)
        await until(lambda: fleet.state(SERIAL)["register"] > before + 5)
        await line.switch(False)
        await contactor(line, False)
        after = await line.number(FORWARD, 2)
        assert after > before
        assert await line.number(BY_NAME["p"].address, 2) == 0
        assert await line.number(FORWARD, 2) == after == fleet.state(SERIAL)["register"]
        assert [closed for _, closed in fleet.state(SERIAL)["relay_writes"]] == [True, False]


async def test_load_and_plug():
    async with meters(load=6000) as (fleet, listener):
        line = listener.line
        await line.switch(True)
        await contactor(line, True)
        fleet.set_load(SERIAL, 12_000)
        assert await line.number(BY_NAME["p"].address, 2) > 11_900
        fleet.plug(SERIAL, False)
        assert await line.number(BY_NAME["p"].address, 2) == 0
        assert await line.number(DI) == 1
        fleet.plug("*")
        assert await line.number(BY_NAME["p"].address, 2) > 11_900
        with pytest.raises(FleetError, match="whole number of W"):
            fleet.set_load(SERIAL, -1)


async def test_a_single_phase_car_loads_one_phase():
    async with meters(phases=1) as (_, listener):
        line = listener.line
        await line.switch(True)
        await contactor(line, True)
        assert await line.number(BY_NAME["ia"].address) > 2500
        assert await line.number(BY_NAME["ib"].address) == 0


async def test_registers_outside_the_map_and_other_slaves():
    async with meters() as (_, listener):
        line = listener.line
        with pytest.raises(RefusedError, match="no such register"):
            await line.read(0x7000, 2)
        with pytest.raises(RefusedError, match="no such register"):
            request = rtu.write_request(1, FORWARD, (0, 0))
            rtu.answered_write(request, await line.ask(request))
        with pytest.raises(TimeoutError):
            await line.ask(rtu.read_request(2, DO1, 1), timeout=0.2)
        assert await line.number(DO2) == 0
        await line.switch(True, DO2)
        assert (await line.number(DO1), await line.number(DO2)) == (0, 1)


async def test_an_output_that_is_driven_otherwise_does_not_obey():
    async with meters() as (_, listener):
        line = listener.line
        request = rtu.write_request(1, BY_NAME["do1_driver"].address, (3,))
        rtu.answered_write(request, await line.ask(request))
        await line.switch(True)
        assert await line.number(DO1) == 0


async def test_an_upload_is_sent_again_until_it_is_acknowledged():
    async with listening() as listener:
        listener.acknowledges = lambda frame: frame.command == commands.REGISTER
        options = Options(connect=listener.address, interval=0.05, retry=0.05)
        async with Fleet(options) as fleet:
            await until(lambda: listener.lines and len(listener.line.uploads()) >= 3)
            first = listener.line.uploads()
            assert {upload.sequence for upload in first} == {1}
            assert len({upload.data for upload in first}) == 1
            listener.line.transport.abort()
            await until(lambda: len(listener.lines) == 2 and listener.line.uploads())
            assert listener.line.uploads()[0] == first[0]
            assert fleet.totals()["uploads_acknowledged"] == 0
            listener.acknowledges = lambda frame: True
            await until(lambda: fleet.totals()["uploads_acknowledged"] >= 3)
            assert fleet.state(SERIAL)["uploads_sent"] - 1 <= len(
                {upload.sequence for line in listener.lines for upload in line.uploads()}
            )


async def test_pause():
    async with meters(interval=0, paused=True) as (fleet, listener):
        assert await listener.line.number(DO1) == 0
        assert fleet.totals()["uploads_sent"] == 0
        fleet.pause("*", False)
        await until(lambda: fleet.totals()["uploads_acknowledged"] > 10)
        fleet.pause("*")
        await until(
            lambda: fleet.totals()["uploads_sent"] == fleet.totals()["uploads_acknowledged"]
        )
        await listener.line.read(*BILLING_BLOCK)
        assert len(listener.line.uploads()) == fleet.totals()["uploads_acknowledged"]
        assert fleet.totals()["readings_answered"] == 1


async def test_registration_is_repeated_until_it_is_acknowledged():
    async with listening() as listener:
        listener.acknowledges = lambda frame: False
        async with Fleet(Options(connect=listener.address, retry=0.05)) as fleet:
            await until(lambda: listener.lines and len(listener.line.frames) >= 3)
            assert {frame.command for frame in listener.line.frames} == {commands.REGISTER}
            assert fleet.totals()["registered"] == 0


async def test_4g_profile():
    async with meters(profile="adw300_4g") as (_, listener):
        upload = (await until(listener.line.uploads))[0]
        assert upload.serial is None
        assert {"pt", "ua", "e_forward", "eq_reverse"} <= set(upload.layout.columns)


async def test_registers_and_numbers_go_on_over_a_restart(tmp_path):
    state = tmp_path / "meters.json"
    async with meters(state=state, speed=36_000) as (fleet, listener):
        await listener.line.switch(True)
        await until(lambda: fleet.state(SERIAL)["register"] > 5010)
        await until(lambda: fleet.totals()["uploads_acknowledged"])
    async with meters(state=state) as (fleet, listener):
        assert fleet.state(SERIAL)["register"] > 5010
        assert fleet.state(SERIAL)["relay"] is False  # without supply the contactor falls open
        assert (await until(listener.line.uploads))[0].sequence == 2
    state.write_text("[]")
    with pytest.raises(OptionsError, match="remove it to begin with new registers"):
        Fleet(Options(state=state))


# === Faults === #


async def test_vanish_for_a_while():
    async with meters(speed=3600) as (fleet, listener):
        await listener.line.switch(True)
        await contactor(listener.line, True)
        fleet.fault(SERIAL, "vanish", 0.3)
        await until(lambda: listener.line.closed)
        gone_at = fleet.state(SERIAL)["register"]
        await until(lambda: len(listener.lines) == 2 and fleet.totals()["registered"])
        assert await listener.line.number(DO1) == 1
        assert await listener.line.number(FORWARD, 2) > gone_at
        assert fleet.state(SERIAL)["faults"] == {}


async def test_vanish_until_cleared():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "vanish", 0)
        await until(lambda: listener.line.closed)
        with pytest.raises(TimeoutError):
            await until(lambda: len(listener.lines) > 1, timeout=0.5)
        fleet.clear(SERIAL, "vanish")
        await until(lambda: len(listener.lines) == 2 and fleet.totals()["registered"])


async def test_stuck_contactor():
    async with meters(speed=3600) as (fleet, listener):
        line = listener.line
        await line.switch(True)
        await contactor(line, True)
        fleet.fault(SERIAL, "stuck")
        await line.switch(False)
        register = fleet.state(SERIAL)["register"]
        await until(lambda: fleet.state(SERIAL)["register"] > register)
        assert (await line.number(DO1), await line.number(DI)) == (0, 1)
        fleet.clear(SERIAL)
        await contactor(line, False)


async def test_contactor_that_does_not_close():
    async with meters() as (fleet, listener):
        line = listener.line
        fleet.fault(SERIAL, "no_close")
        await line.switch(True)
        assert (await line.number(DO1), await line.number(DI)) == (1, 0)
        fleet.clear(SERIAL, "no_close")
        await contactor(line, True)


async def test_contactor_that_opens_by_itself():
    async with meters() as (fleet, listener):
        line = listener.line
        await line.switch(True)
        await contactor(line, True)
        fleet.fault(SERIAL, "opens_itself")
        assert (await line.number(DO1), await line.number(DI)) == (1, 0)
        assert fleet.state(SERIAL)["power"] == 0
        await line.switch(False)
        await line.switch(True)
        await contactor(line, True)


async def test_zero_register():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "zero_register", 2)
        await listener.line.read(DO1, 1)  # shows no energy, so the fault waits
        assert await listener.line.number(FORWARD, 2) == 0
        fleet.upload(SERIAL)
        await until(lambda: len(listener.line.uploads()) == 2)
        assert value(listener.line.uploads()[1], "e_forward") == 0
        assert await listener.line.number(FORWARD, 2) == 5000


async def test_register_goes_backwards():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "backwards", 30)
        assert await listener.line.number(FORWARD, 2) == 4970
        assert fleet.state(SERIAL)["register"] == 5000


async def test_missing_reply():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "no_reply", 1)
        with pytest.raises(TimeoutError):
            await listener.line.ask(rtu.read_request(1, DO1, 1), timeout=0.2)
        assert await listener.line.number(DO1) == 0
        fleet.fault(SERIAL, "no_reply")
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await listener.line.ask(rtu.read_request(1, DO1, 1), timeout=0.1)


async def test_slow_reply():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "slow", 0.3)
        with pytest.raises(TimeoutError):
            await listener.line.ask(rtu.read_request(1, DO1, 1), timeout=0.1)
        await until(lambda: any(frame.command == 0x90 for frame in listener.line.frames))


async def test_wrong_crc():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "wrong_crc", 1)
        with pytest.raises(TimeoutError):
            await listener.line.ask(rtu.read_request(1, DO1, 1), timeout=0.2)
        assert await listener.line.number(DO1) == 0
        assert listener.line.decoder.crc_errors == 1


async def test_garbage_before_frames():
    async with meters() as (fleet, listener):
        fleet.fault(SERIAL, "garbage", 40)
        assert await listener.line.number(DO1) == 0
        assert listener.line.decoder.noise == 40


async def test_segments_of_one_byte():
    async with meters() as (fleet, listener):
        before = listener.line.segments
        fleet.fault(SERIAL, "split")
        assert await listener.line.number(DO1) == 0
        assert listener.line.segments > before + 1


async def test_duplicate_upload():
    async with meters() as (fleet, listener):
        await until(lambda: fleet.totals()["uploads_acknowledged"] == 1)
        fleet.fault(SERIAL, "duplicate")
        fleet.upload(SERIAL)
        await until(lambda: len(listener.line.uploads()) == 3)
        assert listener.line.uploads()[1] == listener.line.uploads()[2]
        await until(lambda: fleet.totals()["uploads_acknowledged"] == 2)


# === As a process === #


async def test_process_with_control_socket():
    async with listening() as listener:
        host, port = listener.address
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "acrel_link.simulator", "--connect", f"{host}:{port}",
            "--count", "2", "--control", "0", "--load", "9000",
            cwd=Path(acrel_link.__file__).parent.parent,
            env=os.environ, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            while b"127.0.0.1:" not in (line := await process.stderr.readline()):
                assert line, "the simulator ended before it listened"
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", int(line.rsplit(b":", 1)[1])
            )

            async def command(**arguments):
                writer.write(json.dumps(arguments).encode() + b"\n")
                return json.loads(await reader.readline())

            assert (await command(do="serials"))["result"] == [SERIAL, "99000000000002"]
            async with asyncio.timeout(10):
                while (await command(do="totals"))["result"]["registered"] < 2:
                    pass
                while (await command(do="totals"))["result"]["uploads_acknowledged"] < 2:
                    pass
            times = (await command(do="acknowledgement_times"))["result"]
            assert len(times) == 2 and all(0 <= one < 10 for one in times)
            assert (await command(do="acknowledgement_times"))["result"] == []
            assert await command(do="set_load", serial=SERIAL, watts=1000) == {
                "ok": True,
                "result": None,
            }
            assert (await command(do="state", serial=SERIAL))["result"]["load"] == 1000
            await command(do="fault", serial="*", name="vanish", value=0)
            await until(lambda: all(line.closed for line in listener.lines))
            for wrong, message in (
                ({"do": "explode"}, '"do" must be one of'),
                ({"do": "state"}, "missing: serial"),
                ({"do": "state", "serial": "1"}, "There is no meter '1'"),
                ({"do": "fault", "serial": "*", "name": "x"}, "There is no fault 'x'"),
                ({"do": "fault", "serial": "*", "name": "slow", "value": -1}, "not negative"),
                ({"do": "totals", "x": 1}, "unknown: x"),
            ):
                answer = await command(**wrong)
                assert not answer["ok"]
                assert message in answer["error"]
            writer.write(b"no json\n")
            assert "no JSON" in json.loads(await reader.readline())["error"]
            writer.close()
            process.send_signal(signal.SIGTERM)
            await process.stderr.read()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "--count must be 1 to 20000, not 0."),
        (["--connect", "nowhere"], "'nowhere' is no HOST:PORT"),
        (["--serial-start", "1"], "14 digits"),
        (["--speed", "0"], "--speed must be more than 0"),
        (["--wat"], "See --help."),
    ],
)
async def test_wrong_options_are_one_sentence_and_exit_code_2(arguments, message):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "acrel_link.simulator", *arguments,
        cwd=Path(acrel_link.__file__).parent.parent, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert message in errors.decode()
    assert errors.count(b"\n") == 1
