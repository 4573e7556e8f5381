"""`meter-agent check`: what works and what does not, line by line."""

from dataclasses import replace

from meter_agent.checking import check

from .lines import device, tcp_bus, tcp_meters, until
from .station import agent, bring_key, config_for, station


async def test_tells_that_everything_works(tmp_path, capsys):
    meter = device(123456)
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        assert await check(config)
        said = capsys.readouterr().out
        assert "1234.56 kWh on its display, PT 1, CT 1, outputs closed: none." in said
        assert f"127.0.0.1:{server.port} knows 12307210720085; 0 frames wait" in said
        assert "FAIL" not in said
        assert len(server.registrations) == 1
        assert not server.stored
        async with agent(config):
            await until(lambda: len(server.registrations) == 2, "the agent registers")
            assert await check(config)
            assert "The agent is running" in capsys.readouterr().out
            assert len(server.registrations) == 2  # its line was left alone


async def test_tells_what_does_not_work_and_goes_on(tmp_path, capsys):
    async with tcp_meters({1: device()}) as port:
        async with station() as server:
            config = config_for(tmp_path, server.port, tcp_bus(port, 1, 2, retries=0, timeout=0.1))
        assert not await check(config)
        said = capsys.readouterr().out
        assert "FAIL  Meter 2 on site" in said
        assert "ok    Meter 1 on site" in said
        assert "FAIL  No device key was imported" in said
        bring_key(config)
        assert not await check(config)
        assert "cannot be reached" in capsys.readouterr().out
        async with station() as server:
            server.ring.keys.clear()
            config = replace(config, port=server.port)
            assert not await check(config)
            assert "does not know this meter's key" in capsys.readouterr().out
