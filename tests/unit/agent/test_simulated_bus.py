"""`meter_simulator --modbus`: meters without a module, as slaves of one bus."""

import pytest

from acrel_link.registers import BILLING_BLOCK, describe
from acrel_link.simulator import Fleet
from acrel_link.simulator.options import OptionsError, parse
from house.settings import free_port
from meter_agent.bus import Bus

from .lines import tcp_bus


async def test_meters_are_slaves_and_switch(tmp_path):
    port = free_port()
    words = (f"--modbus=127.0.0.1:{port}", "--count=2", "--start-register=77", "--control=0")
    async with Fleet(parse(words, "simulator")) as fleet:
        bus = Bus(tcp_bus(port, 1, 2))
        for slave in (1, 2):
            data = await bus.read(slave, *BILLING_BLOCK)
            assert describe(BILLING_BLOCK[0], data)["e_forward"] == 77
        await bus.write(2, 0x01C2, (1,))
        assert [state["relay"] for state in fleet.state("*")] == [False, True]
        assert [state["connected"] for state in fleet.state("*")] == [False, False]
        await bus.close()


def test_wrong_options_are_a_sentence():
    for words in (("--modbus=8502",), ("--modbus=127.0.0.1:8502", "--count=248")):
        with pytest.raises(OptionsError, match=r"HOST:PORT|on a Modbus bus"):
            parse(words, "simulator")
