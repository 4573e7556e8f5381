"""The configuration file, and the exit code for what is wrong in it."""

from pathlib import Path

import pytest

from meter_agent.cli import main
from meter_agent.config import load
from meter_agent.errors import ConfigError

GOOD = """
[server]
address = "127.0.0.1:8452"
channel = "sealed"

[site]
serial = "12307210720085"
state = "{state}"

[[bus]]
name = "hall"
port = "/dev/ttyUSB0"
baud = 1200

[[bus.meter]]
slave = 1

[[bus.meter]]
slave = 2
address = 17
poll_closed = 5

[[bus]]
name = "quay"
host = "127.0.0.1"
rtu_over_tcp = true

[[bus.meter]]
slave = 3
address = 1
clock = "meter"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text.replace("{state}", str(folder / "state")))
    return file


def test_reads_buses_and_meters(tmp_path):
    config = load(written(tmp_path, GOOD))

    assert (config.host, config.port, config.channel) == ("127.0.0.1", 8452, "sealed")
    assert [bus.name for bus in config.buses] == ["hall", "quay"]
    assert (config.buses[0].port, config.buses[0].baud) == ("/dev/ttyUSB0", 1200)
    assert config.buses[1].rtu_over_tcp
    assert [(meter.slave, meter.address) for meter in config.meters] == [(1, 1), (2, 17), (3, 1)]
    assert config.meters[1].poll_closed == 5.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"127.0.0.1:8452"', '"8452"', "address is '8452', but it must be a host and a port"),
        ('"sealed"', '"plain"', "channel is 'plain', but it must be one of tls, sealed"),
        ('channel = "sealed"', "", "channel is missing"),
        ('channel = "sealed"', 'channel = "sealed"\nname = "x"', 'only channel = "tls"'),
        ('serial = "12307210720085"', 'serial = "1234567890123456789012"', "1 to 20 printable"),
        ('serial = "12307210720085"', "serial = 12307210720085", "it must be a text"),
        ("[site]", '[site]\nutc_offset = "8"', "an offset from UTC"),
        ("[site]", "[site]\nspool_mb = 0", "a whole number from 1"),
        ("[site]", "[site]\nspoolmb = 5", "spoolmb is unknown"),
        ("[site]", "[place]\n[site]", "[place] is unknown"),
        ("baud = 1200", 'baud = "fast"', "a whole number from 300"),
        ("baud = 1200", "tcp_port = 502", "does not belong to a bus with port"),
        ('port = "/dev/ttyUSB0"', "", "either port (a serial line) or host"),
        ("slave = 2", "slave = 1", "two meters with slave 1"),
        ("slave = 2", "slave = 248", "a whole number from 1 to 247"),
        ("address = 17", "address = 1", "one address on the bus"),
        ('name = "quay"', 'name = "hall"', "two buses with the name hall"),
        ("poll_closed = 5", "poll_closed = 0", "a number of seconds"),
        ('clock = "meter"', 'clock = "mine"', "one of agent, meter"),
        ("[[bus.meter]]\nslave = 3\naddress = 1", "[bus.meters]", "meter is missing"),
        ("[server]", "[server", "is no TOML"),
    ],
)
def test_wrong_configuration_is_one_sentence_and_exit_code_2(tmp_path, capsys, old, new, said):
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))

    with pytest.raises(ConfigError) as refused:
        load(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert main(["--config", str(file), "run"]) == 2
    assert capsys.readouterr().err.strip() == str(refused.value)


def test_missing_file_and_wrong_arguments_are_one_sentence_too(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "none.toml"), "check"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main(["jump"]) == 2
    assert "invalid choice: 'jump'" in capsys.readouterr().err


def test_run_without_a_key_says_what_to_do(tmp_path, capsys):
    file = written(tmp_path, GOOD)

    assert main(["--config", str(file), "run"]) == 2
    assert "run meter-agent import PACKAGE" in capsys.readouterr().err
