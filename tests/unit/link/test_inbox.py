"""Segments of one turn of the loop: handled together, in order, each at its own risk."""

import asyncio

from acrel_link.inbox import SEGMENT, Inbox


class Peer:
    """Takes segments and notes them; one that begins with `!` brings it down."""

    def __init__(self, name: str, taken: list):
        self.name, self.taken, self.reason = name, taken, ""

    def __str__(self):
        return self.name

    def take(self, segment: bytes) -> None:
        self.taken.append((self.name, segment))
        if segment.startswith(b"!"):
            raise RuntimeError("a mistake")

    def cut(self, reason: str) -> None:
        self.reason = reason


async def test_segments_are_taken_in_their_order_when_all_were_read():
    inbox, taken = Inbox(), []
    one, other = Peer("one", taken), Peer("other", taken)
    inbox.put(one, b"1")
    inbox.put(other, b"2")
    inbox.put(one, b"3")
    assert taken == []
    await asyncio.sleep(0)
    assert taken == [("one", b"1"), ("other", b"2"), ("one", b"3")]
    inbox.put(one, b"4")
    await asyncio.sleep(0)
    assert taken[3:] == [("one", b"4")]


async def test_a_long_segment_does_not_wait_and_does_not_overtake():
    inbox, taken = Inbox(), []
    peer = Peer("peer", taken)
    inbox.put(peer, b"before")
    inbox.put(peer, bytes(SEGMENT + 1))
    assert taken == [("peer", b"before"), ("peer", bytes(SEGMENT + 1))]
    await asyncio.sleep(0)
    assert len(taken) == 2


async def test_a_mistake_with_one_peer_costs_the_others_nothing(caplog):
    inbox, taken = Inbox(), []
    bad, good = Peer("bad", taken), Peer("good", taken)
    inbox.put(bad, b"!")
    inbox.put(good, b"1")
    await asyncio.sleep(0)
    assert taken == [("bad", b"!"), ("good", b"1")]
    assert "mistake" in bad.reason
    assert not good.reason
    assert "a mistake" in caplog.text


async def test_a_long_segment_that_goes_wrong_costs_its_peer_alone(caplog):
    inbox, taken = Inbox(), []
    bad = Peer("bad", taken)
    inbox.put(bad, b"!" + bytes(SEGMENT))
    assert "mistake" in bad.reason
    assert "a mistake" in caplog.text
