"""The server's side of the sealed channel: wait for E1, wait for E3, open.

Whoever asks learns nothing: a serial number, key version or boot counter that is not accepted gets
an E2 made by the same steps under a random key, and its E3 is refused like a wrong one.
"""

import os
import time
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import NamedTuple, Protocol

from ..frames import Frame
from ..keys.check import CHECK_BYTES
from . import schedule, wire
from .envelope import DOWN, UP, Opener, Sealer
from .errors import Fault, SealedError, SealError
from .rules import (
    ACKNOWLEDGEMENTS,
    COMMAND_ID_SIZE,
    FORBIDDEN_LIMIT,
    FRAME,
    GUARDED,
    REKEY,
    REKEY_ANSWER,
    is_harmless,
)
from .suites import DEFAULT_PREFERENCE, EXCHANGING, SUITES, Exchange, Suite, choose

TEST_RANGE = 0  # the key version that only a lab accepts

_new = tuple.__new__


class DeviceKey(Protocol):
    """A link's key of one version; `boot_counter` is the highest that was seen with it."""

    link_id: int
    serial: str
    version: int
    key: bytes
    boot_counter: int


class RekeyOrder(Protocol):
    """The next key of a link, to be sent under the current one until it is answered."""

    version: int
    key: bytes
    current: DeviceKey


class Keys(Protocol):
    """Where the server's side finds keys and leaves what it learned of them."""

    def find(self, serial: str, version: int) -> DeviceKey | None:
        """Return a key; None where it is unknown or revoked."""

    def opened(self, key: DeviceKey, boot_counter: int, refused: Callable[[], None] | None) -> None:
        """Keep the boot counter of a right E3; call `refused` when it was used elsewhere."""

    def rekey_due(self, link_id: int) -> RekeyOrder | None:
        """Return the next key that is stored and not answered yet."""

    def rekeyed(self, link_id: int, version: int, kcv: bytes) -> bool:
        """Take the meter's answer to a rekey; False where the check value is wrong."""


class _Handshake(NamedTuple):
    """What is kept between E2 and E3."""

    hello: wire.Hello
    key: DeviceKey | None  # None where the E2 was made under a random key
    suite: Suite
    auth: bytes
    secret: bytes
    transcript: tuple[bytes, bytes]
    session_id: bytes
    proof: bytes

    def __repr__(self):
        return f"<handshake of {self.hello.serial}>"


class Server:
    """What the sessions of a listener share: keys, suites, clock and source of randomness.

    `suites` returns a link's own preference list, and for None the one that strangers see.
    """

    def __init__(
        self,
        keys: Keys,
        suites: Callable[[int | None], Sequence[int]] = lambda link_id: DEFAULT_PREFERENCE,
        *,
        lab: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Callable[[int], bytes] = os.urandom,
    ):
        self.keys = keys
        self.suites = suites
        self.lab = lab
        self.now_ms = now_ms
        self.random = random

    def session(
        self,
        send: Callable[[bytes], None],
        refused: Callable[[], None] | None = None,
    ) -> "ServerSession":
        """Return the session of a new connection.

        `refused` is called when the boot counter turns out, later, to be used already: close
        then.
        """
        return ServerSession(self, send, refused)

    def accepted(self, hello: wire.Hello) -> DeviceKey | None:
        """Return the key that a hello may be answered under."""
        boot_counter = hello.boot_counter
        key = self.keys.find(hello.serial, hello.key_version)
        if key is None or boot_counter <= key.boot_counter:
            return None
        return key if key.version != TEST_RANGE or self.lab else None


class ServerSession:
    """One connection, seen from the server."""

    __slots__ = (
        "_decoder",
        "_handshake",
        "_opener",
        "_refused",
        "_sealer",
        "_send",
        "_server",
        "_sn",
        "forbidden",
        "key",
        "serial",
        "suite",
    )

    def __init__(
        self,
        server: Server,
        send: Callable[[bytes], None],
        refused: Callable[[], None] | None,
    ):
        self.serial: str | None = None  # claimed by E1
        self.key: DeviceKey | None = None  # proven by E3
        self.suite: int | None = None
        self.forbidden = 0
        self._server, self._send = server, send
        self._refused = refused
        self._sn = b""
        self._handshake: _Handshake | None = None
        self._opener: Opener | None = None
        self._sealer: Sealer | None = None
        self._decoder = wire.Decoder()
        self._decoder.expect(wire.HELLO, wire.NO_SUITE, wire.HELLO_SIZE, wire.HELLO_SIZE)

    def __repr__(self):
        return f"<sealed session of {self.serial}, {'open' if self.key else 'not open'}>"

    @property
    def sent(self) -> int:
        """Sealed frames sent."""
        return self._sealer.count if self._sealer is not None else 0

    @property
    def received(self) -> int:
        """Sealed frames received."""
        return self._opener.count if self._opener is not None else 0

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame."""
        return self._decoder.pending

    # === Up === #

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, however they are cut, and return the factory frames in them."""
        frames: list[Frame] = []
        decoder = self._decoder
        try:
            inner = decoder.whole(data)
            if inner is not None:
                self._take(inner, frames)
                return frames
            decoder.push(data)
            while decoder.pending and (inner := decoder.pull()) is not None:
                self._take(inner, frames)
        except SealedError as error:
            error.frames = frames
            raise
        return frames

    def _take(self, inner: bytes, frames: list[Frame]) -> None:
        """Handle one frame's `cmd … body CRC`; a factory frame in it joins the others."""
        if self._opener is None:
            self._shake_hands(inner)
            return
        plaintext = self._opener.open(inner)
        if plaintext[0] == FRAME and len(plaintext) > 1:
            frames.append(_new(Frame, (plaintext[1], plaintext[2:])))
        else:
            self._take_other(plaintext)

    def _shake_hands(self, inner: bytes) -> None:
        if self._handshake is None:
            self._challenge(inner[:-2])
        else:
            self._prove(inner[-2 - wire.PROOF_SIZE : -2])

    def _challenge(self, inner: bytes) -> None:
        """Answer E1 by E2, by the same steps whether the meter is known or not."""
        server = self._server
        hello = wire.parse_hello(inner)
        self.serial = hello.serial
        if bool(hello.suites & EXCHANGING) != (hello.share != wire.NO_SHARE):
            raise SealedError("A hello's share does not fit its suites.", Fault.MALFORMED)
        stranger = server.random(schedule.KEY_SIZE)
        key = server.accepted(hello)
        suite = choose(server.suites(None if key is None else key.link_id), hello.suites)
        if suite is None:
            key = None
            suite = choose(server.suites(None), hello.suites) or choose(SUITES, hello.suites)
        if suite is None:
            raise SealedError("A hello offers no suite that is known here.", Fault.MALFORMED)
        secret, share = b"", wire.NO_SHARE
        if suite.exchanges:
            exchange = Exchange(server.random)
            secret, share = exchange.secret(hello.share), exchange.share
        session_id, nonce = server.random(wire.SESSION_SIZE), server.random(16)
        auth = schedule.auth_key(stranger if key is None else key.key, hello.sn)
        challenge = wire.Challenge(
            session_id, suite.number, hello.key_version, server.now_ms(), nonce, share, bytes(32)
        )
        transcript = inner, wire.unproven(wire.build_challenge(challenge))
        proof = schedule.server_proof(auth, *transcript)
        self._handshake = _Handshake(hello, key, suite, auth, secret, transcript, session_id, proof)
        self.suite = suite.number
        self._decoder.expect(wire.PROOF, suite.number, wire.PROOF_SIZE, wire.PROOF_SIZE)
        self._send(wire.enclose(transcript[1] + proof))

    def _prove(self, proof: bytes) -> None:
        """Open the session if E3 is right and its key is still accepted."""
        shaken, server = self._handshake, self._server
        hello, suite = shaken.hello, shaken.suite
        expected = schedule.device_proof(shaken.auth, *shaken.transcript, shaken.proof)
        right = compare_digest(expected, proof)
        key = server.accepted(hello)  # since E2 it may have been revoked, or used elsewhere
        if (
            not right
            or shaken.key is None
            or key is None
            or not compare_digest(key.key, shaken.key.key)
        ):
            raise SealedError(f"{hello.serial} did not prove that it is it.", Fault.PROOF)
        keys = schedule.session_keys(key.key, shaken.secret, *shaken.transcript, suite)
        self._opener = Opener(suite, keys.up, keys.iv_up, shaken.session_id, hello.sn + UP)
        self._sealer = Sealer(suite, keys.down, keys.iv_down, shaken.session_id, hello.sn + DOWN)
        self._handshake = None
        self._sn, self.key = hello.sn, key
        self._decoder.expect(wire.DATA, suite.number, wire.MIN_DATA, wire.MAX_BODY)
        server.keys.opened(key, hello.boot_counter, self._refused)
        self.rekey()

    def _take_other(self, plaintext: bytes) -> None:
        """Take what is no factory frame: the answer to a rekey, or what may not come up."""
        if plaintext[0] != REKEY_ANSWER or not self._is_rekeyed(plaintext[1:]):
            self.forbidden += 1
            if self.forbidden >= FORBIDDEN_LIMIT:
                raise SealedError(
                    f"{self.serial} sent {self.forbidden} frames that may not come up.",
                    Fault.FORBIDDEN,
                )

    def _is_rekeyed(self, answer: bytes) -> bool:
        if len(answer) != 2 + CHECK_BYTES:
            return False
        version = int.from_bytes(answer[:2], "big")
        return self._server.keys.rekeyed(self.key.link_id, version, answer[2:])

    # === Down === #

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory command sealed, unguarded; a write is refused."""
        if not body and command in ACKNOWLEDGEMENTS:
            return self._sealer.seal(ACKNOWLEDGEMENTS[command])
        if not is_harmless(command, body):
            raise SealError(f"Command {command:02X} with this body must be sent guarded.")
        return self._sealer.seal(bytes((FRAME, command)) + body)

    def guarded(self, command: int, body: bytes, command_id: bytes, not_after: int) -> bytes:
        """Return a factory command sealed, obeyed once and not after this time (unix ms)."""
        if len(command_id) != COMMAND_ID_SIZE:
            raise SealError(f"A command id has {COMMAND_ID_SIZE} bytes, not {len(command_id)}.")
        guard = command_id + not_after.to_bytes(8, "big")
        return self._sealer.seal(bytes((GUARDED,)) + guard + bytes((command,)) + body)

    def rekey(self) -> None:
        """Send the link's next key, if there is one that the meter has not answered."""
        if self.key is None:
            return  # it asks by itself when it opens
        order = self._server.keys.rekey_due(self.key.link_id)
        if order is None or order.current.version != self.key.version:
            return
        wrapped = schedule.wrap_key(self.key.key, self._sn, order.key)
        self._send(self._sealer.seal(bytes((REKEY,)) + order.version.to_bytes(2, "big") + wrapped))
