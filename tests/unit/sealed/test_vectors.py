"""Every byte of the published exchanges, made by each side alone and taken by the other."""

import pytest

from acrel_link.keys.check import check_value
from acrel_link.sealed import schedule, wire
from acrel_link.sealed.device import Device
from acrel_link.sealed.rules import opens_output
from acrel_link.sealed.server import Server
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.sealed.suites import SUITES, Exchange
from acrel_link.serials import build_serial

from .bed import LINK, Key, Ring
from .vectors import VECTORS

each_suite = pytest.mark.parametrize("vector", VECTORS.values(), ids=lambda v: f"{v.suite:02x}")


def scripted(*answers: bytes):
    """Return a source of randomness that gives these, in this order."""
    waiting = list(answers)

    def random(size: int) -> bytes:
        answer = waiting.pop(0)
        assert len(answer) == size
        return answer

    return random


def inner(frame: bytes) -> bytes:
    return frame[2:-4]


class Exchanged:
    """A vector's exchange through a real server session and a real device session."""

    def __init__(self, vector):
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.ring = Ring(Key(LINK, vector.serial, vector.key_version, vector.device_key))
        shares = [vector.server_share_private] if vector.server_share_private else []
        server = Server(
            self.ring,
            lambda link_id: (vector.suite,),
            now_ms=lambda: vector.server_time_ms,
            random=scripted(bytes(32), *shares, vector.session_id, vector.ns),
        )
        self.store = MemoryStore(
            vector.serial,
            Slot(vector.key_version, vector.device_key),
            boot_counter=vector.boot_counter - 1,
        )
        device = Device(
            self.store,
            monotonic=lambda: 0.0,
            random=scripted(vector.device_share_private, vector.nd[8:], bytes(4)),
        )
        self.server = server.session(self.down.append)
        self.device = device.connect(self.up.append)


def test_all_six_suites_are_there():
    assert set(VECTORS) == set(SUITES) == {0x01, 0x02, 0x03, 0x11, 0x12, 0x13}


@each_suite
def test_both_sides_make_every_byte(vector):
    both = Exchanged(vector)
    assert both.up == [vector.e1]
    assert both.store.boot_counter == vector.boot_counter
    assert both.server.feed(vector.e1) == []
    assert both.down == [vector.e2]
    assert both.device.feed(vector.e2) == []
    assert both.up[1:] == [vector.e3]
    assert both.server.feed(vector.e3) == []
    assert both.server.key.link_id == LINK

    command, body = vector.up_plaintext[1], vector.up_plaintext[2:]
    assert both.device.frame(command, body) == vector.up
    assert both.server.feed(vector.up) == [(command, body)]

    guard, (command, *body) = vector.down_plaintext[1:25], vector.down_plaintext[25:]
    not_after = int.from_bytes(guard[16:], "big")
    assert both.server.guarded(command, bytes(body), guard[:16], not_after) == vector.down
    assert both.device.feed(vector.down) == [(command, bytes(body))]


@each_suite
def test_every_key_on_the_way(vector):
    sn = build_serial(vector.serial)
    suite = SUITES[vector.suite]
    hello, challenge = inner(vector.e1), wire.unproven(inner(vector.e2))
    assert schedule.auth_key(vector.device_key, sn) == vector.auth_key
    secret = b""
    if suite.exchanges:
        meter = Exchange(lambda size: vector.device_share_private)
        server = Exchange(lambda size: vector.server_share_private)
        secret = meter.secret(server.share)
        assert secret == server.secret(meter.share)
    keys = schedule.session_keys(vector.device_key, secret, hello, challenge, suite)
    assert (keys.up, keys.down) == (vector.k_up, vector.k_dn)
    assert (keys.iv_up, keys.iv_down) == (vector.iv_up, vector.iv_dn)


@each_suite
def test_the_rekey(vector):
    sn = build_serial(vector.serial)
    wrapped = schedule.wrap_key(vector.device_key, sn, vector.next_key)
    assert wrapped == vector.wrapped_next_key
    assert schedule.unwrap_key(vector.device_key, sn, wrapped) == vector.next_key
    assert check_value(vector.next_key, vector.serial) == vector.next_key_kcv


def test_the_guarded_command_of_the_vectors_closes_an_output():
    plaintext = VECTORS[0x01].down_plaintext
    assert not opens_output(plaintext[25], plaintext[26:])
