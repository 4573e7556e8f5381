"""What a link process logs of a connection bears the serial number as a field of its own."""

import json
import logging

import pytest

from acrel_link import commands
from acrel_link.frames import encode
from acrel_link.logs import JsonFormatter

from .bed import until
from .test_uploads import SERIAL, upload


@pytest.fixture
def told(caplog):
    """Return what was logged with some words, as programs read it."""
    caplog.set_level(logging.INFO)
    formatter = JsonFormatter()

    def find(words: str) -> list[dict]:
        lines = [json.loads(formatter.format(record)) for record in caplog.records]
        return [line for line in lines if words in line["message"]]

    return find


async def test_lines_about_a_connection_its_meter_and_its_events(bed, told):
    _, meter, _ = bed.add_link(SERIAL, outputs=())
    bed.admin.execute("UPDATE acrel_meter SET serial = '0815' WHERE id = %s", [meter])
    async with bed.link(request_timeout=0.1) as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        address = peer.writer.get_extra_info("sockname")
        of_link = {"serial": SERIAL, "peer": f"{address[0]}:{address[1]}"}

        def about(words: str) -> dict:
            [line, *_] = told(words)
            return {name: line[name] for name in ("serial", "peer") if name in line}

        assert about("registers as") == of_link
        peer.send(encode(commands.UPLOAD, b"no upload"))
        assert await peer.frame(commands.UPLOAD)
        assert about("a frame 91 is refused") == of_link
        assert about("reading_refused link") == {"serial": SERIAL}
        await until(lambda: told("did not answer a poll"), "a poll without an answer")
        assert about("did not answer a poll") == of_link | {"serial": "0815"}
        peer.send(upload(1000, slave=9))
        assert await peer.closed()
        assert about(": closed, it sent a frame") == of_link
        assert about("identity_mismatch") == {"serial": SERIAL}
