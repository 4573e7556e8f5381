"""What the server may send on each channel, seen from the agent."""

import asyncio
import socket

import pytest

from acrel_link.frames import encode
from acrel_link.sealed.device import Device, Slot
from acrel_link.sealed.store import MemoryStore
from meter_agent.errors import LineError
from meter_agent.wires import SealedWire, TlsWire


@pytest.fixture
async def line():
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=here)
    yield reader, writer, there
    writer.transport.abort()
    there.close()


async def test_byte_between_frames_ends_the_line_after_what_stood_before_it(line):
    reader, writer, server = line
    wire = TlsWire(reader, writer)
    server.send(encode(0x84) + b"x" + encode(0x91))
    assert [frame.command for frame in await wire.receive()] == [0x84]
    with pytest.raises(LineError, match="not the start of a frame"):
        await wire.receive()


async def test_server_that_proves_nothing_ends_the_line(line):
    reader, writer, server = line
    device = Device(MemoryStore("12307210720085", Slot(1, bytes(32))))
    wire = SealedWire(reader, writer, device)
    server.send(encode(0x84))
    with pytest.raises(LineError, match="broke the rules"):
        await wire.handshake()


async def test_server_that_hangs_up_is_told(line):
    reader, writer, server = line
    server.shutdown(socket.SHUT_RDWR)
    with pytest.raises(LineError, match="closed the line"):
        await TlsWire(reader, writer).receive()
