"""Strangers, liars and sluggards at the link's door while a driver charges."""

import contextlib
import socket
import threading

import pytest

from acrel_link.commands import REGISTER
from acrel_link.frames import encode
from house.settings import LOOPBACK
from sessions import check_money, grows, look
from waiting import eventually

FOREIGN_SERIAL = "77000000000001"


def knock(network) -> socket.socket:
    """Open a connection to the link."""
    return socket.create_connection((LOOPBACK, network.stack.link_port), 5)


def registration(serial: str) -> bytes:
    """Return a register frame of a serial number: body as in the manual's 84."""
    body = serial.encode().ljust(20, b"\0") + b"89860428219140243610".ljust(30, b"\0")
    return encode(REGISTER, body + bytes((26, 1, 0, 1, 0, 1, 0, 30)))


def is_cut(peer: socket.socket, seconds: float = 15) -> bool:
    """Tell whether the link ends the connection within some seconds."""
    peer.settimeout(seconds)
    try:
        while peer.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def drip(peer: socket.socket) -> None:
    """Send a frame that never ends, byte by byte, until the link has had enough."""
    with contextlib.suppress(OSError):
        peer.sendall(b"{{\x84")
        stop = threading.Event()
        for _ in range(200):
            peer.sendall(b"\x01")
            stop.wait(0.1)


@pytest.fixture
def session(network, driver):
    """A session that must not notice anything; its money is checked at the end."""
    session = driver.start("P004")
    yield session
    driver.stop(session)
    check_money(network, session)


BAD_PEERS = {
    "malformed": lambda peer: peer.sendall(b"{{\x84 nothing of this is a frame }}" * 3),
    "oversized": lambda peer: peer.sendall(b"{{\x91" + b"\x55" * 4096 + b"}}"),
    "slow": drip,
    "silent": lambda peer: None,
    "http": lambda peer: peer.sendall(b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n"),
}


@pytest.mark.parametrize("kind", BAD_PEERS)
def test_bad_peer_costs_only_its_own_connection(network, session, kind):
    connected = network.meter_state("P004")["connections"]
    with knock(network) as peer:
        BAD_PEERS[kind](peer)
        assert is_cut(peer)
    grows(network, session, by_wh=30)
    assert look(network, session).state == "charging"
    assert network.meter_state("P004")["connections"] == connected


def test_unknown_serial_is_refused_and_adopted_in_one_click(network, session, staff):
    with knock(network) as peer:
        peer.sendall(registration(FOREIGN_SERIAL))
        assert is_cut(peer)
    (candidate,) = eventually(
        lambda: staff.search("acrel.link.candidate", [("serial", "=", FOREIGN_SERIAL)]),
        "the refused serial is listed",
    )
    assert not network.rows("SELECT 1 FROM acrel_link WHERE serial = %s", FOREIGN_SERIAL)

    staff.call("acrel.link.candidate", "action_adopt", [candidate])

    def is_accepted() -> bool:
        with knock(network) as peer:
            peer.sendall(registration(FOREIGN_SERIAL))
            peer.settimeout(5)
            return peer.recv(16).startswith(bytes.fromhex("7b7b84bf237d7d"))

    eventually(is_accepted, "the adopted serial is let in")
    grows(network, session, by_wh=30)


def test_a_stolen_serial_does_not_displace_the_living_meter(network, session):
    connected = network.meter_state("P004")["connections"]
    with knock(network) as thief:
        thief.sendall(registration(network.serial("P004")))
        grows(network, session, by_wh=200)
        assert is_cut(thief)
    assert network.meter_state("P004")["connections"] == connected
