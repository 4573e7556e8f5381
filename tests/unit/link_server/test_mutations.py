"""Peers that have proven themselves and then go mad: sound frames, spoilt commands and bodies."""

import asyncio

import pytest

from acrel_link import commands
from acrel_link.commands import Registration, register_body
from acrel_link.frames import encode
from acrel_link.guard_order import GUARD, GuardReport, Outcome, build_report
from acrel_link.sealed.errors import SealError
from acrel_link.simulator.lines import Line, SealedLine, TlsLine

from ..sealed.bed import SERIAL as MAD
from ..sealed.mutation import FACTORY, Mutator
from .bed import Bed, Link, Peer, until
from .secured import Secured, SecuredPeer
from .test_uploads import SERIAL as HONEST
from .test_uploads import acknowledged, upload

FRAMES, AT_ONCE = 1500, 25
REPORT = build_report(GuardReport(1, 1, 3, Outcome.ENERGY, 5200, 1_800_000_000))
SAMPLES = [
    *(frame[2:-4] for frame in FACTORY),
    bytes((GUARD,)) + REPORT,
    bytes((GUARD,)) + REPORT[:-8] + (2**40).to_bytes(8, "big"),  # long after the year 9999
]


class Madman:
    """Connects as the link MAD by one channel, again and again."""

    def __init__(self, bed: Bed, secured: Secured, channel: str):
        self.secured, self.channel = secured, channel
        self.ids = bed.add_link(MAD, channel=channel)
        if channel == "tls":
            secured.make_authority()
            self._context = secured.context(secured.pkcs12(MAD))
        elif channel == "sealed":
            self._payload = secured.bench.issue(MAD)

    async def connect(self, link: Link) -> Peer | SecuredPeer:
        """Come as far as a registered meter does; as an agent, where the channel lets one in."""
        if self.channel == "plain":
            peer = await link.peer()
            peer.register(MAD)
        else:
            peer = await SecuredPeer.connect(link, self.channel, self._line())
            assert await peer.opened()
            told = Registration(MAD, "89860123456789", 26, ("a6.1", "1.0", "0.0"), 5)
            peer.send(commands.REGISTER, register_body(told))
        assert await peer.frame(commands.REGISTER)
        return peer

    def _line(self) -> Line:
        if self.channel == "tls":
            return TlsLine(self._context, "127.0.0.1")
        return SealedLine(self.secured.device(self._payload, MAD))

    def send(self, peer: Peer | SecuredPeer, inner: bytes) -> None:
        """Send a command and a body in a frame that is right."""
        if self.channel == "plain":
            peer.send(encode(inner[0], inner[1:]))
        else:
            peer.send(inner[0], inner[1:])


@pytest.mark.parametrize("channel", ["plain", "tls", "sealed"])
async def test_1500_spoilt_frames_of_a_registered_peer_harm_nobody(bed, tmp_path, channel):
    escaped: list[dict] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: escaped.append(context))
    secured = Secured(bed, tmp_path)
    madman = Madman(bed, secured, channel)
    _, meter, _ = bed.add_link(HONEST, outputs=())
    mutator = Mutator(2026)
    async with secured.link(request_timeout=60) as link:
        await until(lambda: {MAD, HONEST} <= set(link.context.master.links), "the links")
        honest = await link.peer()
        honest.register(HONEST)
        assert await honest.frame(commands.REGISTER)
        tasks = None
        cut = 0
        for _ in range(FRAMES // AT_ONCE):
            peer = await madman.connect(link)
            tasks = tasks or len(asyncio.all_tasks())
            for _ in range(AT_ONCE):
                inner = mutator.any_of(SAMPLES)
                try:
                    madman.send(peer, inner or b"\x91")
                except SealError:
                    continue  # longer than a frame may be
            madman.send(peer, commands.build_time_request(MAD)[2:-4])
            cut += await peer.frame(commands.TIME) is None
            peer.writer.transport.abort()
        assert 0 < cut < FRAMES // AT_ONCE, "some were cut, and some were borne"
        await until(lambda: len(link.server.online) == 1, "only the honest meter is left")
        await until(lambda: len(asyncio.all_tasks()) <= tasks, "no task is left")
        honest.send(upload(1000))
        assert await acknowledged(honest)
    assert escaped == []
    assert bed.readings(meter) == 1
    of_others = "SELECT count(*) FROM acrel_reading_raw WHERE meter_id <> ALL(%s)"
    assert bed.one(of_others, [meter, madman.ids[1]]) == 0
    assert bed.live(madman.ids[2]).get("close_revision") is None
