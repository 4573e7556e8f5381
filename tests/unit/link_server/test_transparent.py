"""Requests through command 90 and the replies that answer them."""

import asyncio

import pytest

from acrel_link import rtu
from acrel_link.crc import seal
from acrel_link.errors import RefusedError
from acrel_link.transparent import GoneError, NoAnswerError, Requests

READ_ENERGY = rtu.read_request(1, 0x3E, 2)
READ_RELAYS = rtu.read_request(1, 0x1C2, 2)
READ_INPUTS = rtu.read_request(1, 0x3A, 1)
CLOSE = rtu.write_request(1, 0x1C2, (1,))


def reply(data: bytes, slave: int = 1) -> bytes:
    return seal(bytes((slave, 3, len(data))) + data)


@pytest.fixture
async def sent():
    return []


@pytest.fixture
async def requests(sent):
    return Requests(lambda request, warrant: sent.append(request), 0.05)


async def ask(requests, frame) -> asyncio.Task:
    task = asyncio.create_task(requests.ask(frame))
    await asyncio.sleep(0)
    return task


async def test_one_request_is_outstanding(requests, sent):
    first, second = await ask(requests, READ_ENERGY), await ask(requests, READ_INPUTS)
    assert sent == [READ_ENERGY]
    assert requests.replied(reply(bytes(4)))
    assert await first == bytes(4)
    assert sent == [READ_ENERGY, READ_INPUTS]
    assert requests.replied(reply(b"\0\1"))
    assert await second == b"\0\1"


async def test_urgent_requests_go_first(requests, sent):
    told = []
    for _ in range(2):
        requests.submit(READ_ENERGY, lambda data, error: told.append(data))
    urgent = await ask(requests, CLOSE)
    assert requests.replied(reply(bytes(4)))
    assert sent[1] == CLOSE
    assert requests.replied(seal(CLOSE[:6]))
    assert await urgent == b""


@pytest.mark.parametrize(
    "foreign",
    [reply(bytes(4), slave=2), reply(bytes(6)), seal(CLOSE[:6]), reply(bytes(4))[:-1] + b"\0", b""],
)
async def test_a_reply_to_something_else_is_dropped(requests, foreign):
    task = await ask(requests, READ_ENERGY)
    assert not requests.replied(foreign)
    assert not task.done()
    assert requests.replied(reply(bytes(4)))
    await task


async def test_a_write_may_be_acknowledged_with_the_serial_only(requests):
    task = await ask(requests, CLOSE)
    assert requests.replied(b"")
    assert await task == b""


async def test_a_refusal_is_told(requests):
    task = await ask(requests, READ_ENERGY)
    assert requests.replied(seal(bytes((1, 0x83, 2))))
    with pytest.raises(RefusedError):
        await task


async def test_silence_is_told(requests):
    with pytest.raises(NoAnswerError):
        await requests.ask(READ_ENERGY)
    assert requests.missed == 1


async def test_a_late_reply_is_not_believed_as_the_next_answer(requests):
    with pytest.raises(NoAnswerError):
        await requests.ask(READ_RELAYS)
    task = await ask(requests, READ_RELAYS)
    assert not requests.replied(reply(b"\0\1\0\0"))  # the answer to the first
    assert requests.replied(reply(b"\0\0\0\0"))
    assert await task == b"\0\0\0\0"


async def test_a_reply_that_comes_between_two_requests_settles_the_account(requests):
    with pytest.raises(NoAnswerError):
        await requests.ask(READ_RELAYS)
    assert not requests.replied(reply(b"\0\1\0\0"))
    task = await ask(requests, READ_RELAYS)
    assert requests.replied(reply(b"\0\0\0\0"))
    assert await task == b"\0\0\0\0"


async def test_a_meter_that_lost_a_request_is_heard_again(requests):
    with pytest.raises(NoAnswerError):
        await requests.ask(READ_RELAYS)
    task = await ask(requests, READ_RELAYS)
    assert not requests.replied(reply(b"\0\1\0\0"))  # doubted, though it is the answer
    with pytest.raises(NoAnswerError):
        await task
    task = await ask(requests, READ_RELAYS)
    assert requests.replied(reply(b"\0\1\0\0"))
    assert await task == b"\0\1\0\0"


async def test_closing_fails_what_waits(requests):
    tasks = [await ask(requests, READ_ENERGY), await ask(requests, READ_INPUTS)]
    requests.close()
    for task in (*tasks, await ask(requests, READ_INPUTS)):
        with pytest.raises(GoneError):
            await task
