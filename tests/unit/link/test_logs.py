"""Log lines carry the serial number, for people and for programs."""

import json
import logging
import sys

import pytest

from acrel_link.logs import JsonFormatter, TextFormatter


@pytest.fixture
def record():
    """Make a record as a call of the logger makes it."""

    def make(message, *values, extra=None, exc_info=None):
        return logging.getLogger("acrel_link.test").makeRecord(
            "acrel_link.test", logging.INFO, __file__, 1, message, values, exc_info, extra=extra
        )

    return make


def test_json_has_the_serial_as_a_field(record):
    line = JsonFormatter().format(
        record('closed, "%s"\nnext', "超时", extra={"serial": "99000000000001", "peer": "[::1]:4"})
    )
    told = json.loads(line)
    assert "\n" not in line
    assert told["serial"] == "99000000000001"
    assert told["peer"] == "[::1]:4"
    assert told["message"] == 'closed, "超时"\nnext'
    assert told["level"] == "INFO"
    assert told["time"].endswith("+00:00")


def test_json_without_a_serial_names_none(record):
    assert set(json.loads(JsonFormatter().format(record("starting")))) == {
        "time",
        "level",
        "logger",
        "message",
    }


def test_json_keeps_a_traceback(record):
    try:
        raise ValueError("wrong")
    except ValueError:
        told = json.loads(JsonFormatter().format(record("failed", exc_info=sys.exc_info())))
    assert "ValueError: wrong" in told["traceback"]


class Line:
    """A value of a message that says whose it is."""

    about = {"serial": "99000000000001", "peer": ""}

    def __str__(self):
        return "bus 7"


def test_a_value_that_says_whose_it_is_becomes_a_field(record):
    told = json.loads(JsonFormatter().format(record("%d frames of %s", 3, Line())))
    assert told["message"] == "3 frames of bus 7"
    assert told["serial"] == "99000000000001"
    assert "peer" not in told, "what is not known is no field"
    text = TextFormatter().format(record("%s is silent", Line()))
    assert text.endswith("acrel_link.test: [99000000000001] bus 7 is silent")


def test_a_serial_is_not_told_twice(record):
    text = TextFormatter().format(record("4711 is gone", extra={"serial": "4711"}))
    assert text.endswith("acrel_link.test: 4711 is gone")


def test_text_begins_with_the_serial(record):
    formatter = TextFormatter()
    about = formatter.format(record("closed", extra={"serial": "99000000000001"}))
    assert about.endswith("acrel_link.test: [99000000000001] closed")
    assert formatter.format(record("starting")).endswith("acrel_link.test: starting")
