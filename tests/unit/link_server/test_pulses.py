"""Outputs that give pulses: the input is read between attempts, so that none is one too many."""

from datetime import UTC, datetime, timedelta

import pytest

from acrel_link import commands, rtu
from acrel_link.crc import seal

from .bed import Peer, until

SERIAL = "99000000000001"


@pytest.fixture
async def link(bed):
    async with bed.link() as link:
        yield link


def set_up(fleet, **registers) -> None:
    for name, value in registers.items():
        fleet.show(SERIAL, name, value)


async def live_until(bed, output: int, **values) -> dict:
    return await until(
        lambda: (row := bed.live(output)) and values.items() <= row.items() and row, str(values)
    )


async def registered(link) -> Peer:
    peer = await link.peer()
    peer.register(SERIAL)
    assert await peer.frame(commands.REGISTER)
    return peer


async def test_a_contactor_is_closed_and_opened_by_one_pulse_each(bed, link):
    _, _, output = bed.add_link(SERIAL)
    async with bed.fleet(link, paused=True, load=6000) as fleet:
        set_up(fleet, do1_mode=1, do1_pulse=1)
        revision = bed.want(output, "closed")
        await live_until(
            bed, output, confirmed_revision=revision, state="closed", relay=True, feedback=True
        )
        revision = bed.want(output, "open")
        await live_until(bed, output, confirmed_revision=revision, state="open", error=None)
        assert [closed for _, closed in fleet.state(SERIAL)["relay_writes"]] == [True, False]
        # nothing more is given while polls go on
        readings = bed.readings()
        await until(lambda: bed.readings() > readings + 2, "polls")
        assert len(fleet.state(SERIAL)["relay_writes"]) == 2


async def test_a_pulse_whose_answer_was_lost_is_not_given_twice(bed, link):
    """The pulse reaches the contactor; neither its answer nor the next ones reach the link."""
    _, _, output = bed.add_link(SERIAL)
    await until(lambda: link.context.master.links, "the link is known")
    peer = await registered(link)
    closed, pulses, told, silent = False, 0, [], False
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=5)
    revision = bed.want(output, "closed", close_before=later)
    while bed.live(output).get("confirmed_revision") != revision:
        frame = await peer.frame(commands.TRANSPARENT)
        if frame is None:  # too many requests were lost in a row; the meter calls again
            peer, silent = await registered(link), False
            continue
        request = rtu.parse_request(frame.body)
        if isinstance(request, rtu.WriteRequest):
            closed, pulses = not closed, pulses + 1
            assert pulses == 1
            told.append("pulse")
            silent = True
        if silent:
            silent = (request.start, request.count) != (0x3A, 1)
            continue
        data = bytearray(2 * request.count)
        if (request.start, request.count) == (0x3A, 1):
            told.append("input")
            data[1] = int(closed)
        elif request.start == 0x01E5:
            data[:] = bytes((0, 1, 0, 0, 0, 1))
        elif request.start == 0x0E:
            data[96:100] = (500).to_bytes(4, "big")
        peer.send(commands.build_transparent(seal(bytes((1, 3, len(data))) + data), SERIAL))
    assert closed
    assert told[0] == "input" and told[-1] == "input"


async def test_pulses_without_a_feedback_input_are_not_given(bed, link):
    _, _, output = bed.add_link(SERIAL, feedback=0)
    async with bed.fleet(link, paused=True) as fleet:
        set_up(fleet, do1_mode=1, do1_pulse=1)
        bed.want(output, "closed")
        row = await until(lambda: (row := bed.live(output)).get("error") and row, "the reason")
        assert "needs a feedback input" in row["error"]
        assert fleet.state(SERIAL)["relay_writes"] == []


async def test_an_output_that_something_else_drives_is_not_closed(bed, link):
    _, _, output = bed.add_link(SERIAL)
    async with bed.fleet(link, paused=True) as fleet:
        set_up(fleet, do1_driver=3)
        bed.want(output, "closed")
        row = await until(lambda: (row := bed.live(output)).get("error") and row, "the reason")
        assert "something else than this link drives the output" in row["error"]
        event = (await until(lambda: bed.events("output_driver"), "the event"))[0]
        assert (event["output_id"], event["end_at"]) == (output, None)
        assert "set its driver to 0" in event["message"]
        assert fleet.state(SERIAL)["relay_writes"] == []
