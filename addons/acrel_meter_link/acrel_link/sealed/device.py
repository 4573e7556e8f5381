"""The meter's side of the sealed channel, for the agent and the simulator.

A `Device` lasts over its connections: it picks the key slot, counts its hellos and knows the
commands it has carried out. A `DeviceSession` is one connection: sent E1, sent E3, open.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from hmac import compare_digest

from ..frames import Frame
from ..keys.check import check_value
from ..serials import build_serial
from . import schedule, wire
from .envelope import DOWN, UP, Opener, Sealer
from .errors import Fault, SealedError
from .rules import (
    ACKNOWLEDGEMENTS,
    AHEAD_MS,
    COMMAND_ID_SIZE,
    FORBIDDEN_LIMIT,
    FRAME,
    FRAME_LIMIT,
    GUARDED,
    KEPT_COMMAND_IDS,
    OPENING_AHEAD_MS,
    RECONNECT_SECONDS,
    REKEY,
    REKEY_ANSWER,
    is_harmless,
    opens_output,
)
from .store import Slot, Store
from .suites import EXCHANGING, SUITES, Exchange, offer

_FRAMES = tuple(bytes((FRAME, command)) for command in range(256))  # how their content begins
_ACKNOWLEDGED = {content: Frame(command, b"") for command, content in ACKNOWLEDGEMENTS.items()}
_GUARD_SIZE = COMMAND_ID_SIZE + 8
_TRIES = 2  # hellos under the next key before one under the current key


class Device:
    """One meter, over all its connections.

    `monotonic` is a clock in seconds that nobody sets and that does not stop while the machine
    sleeps; `opens` tells whether a guarded command is the opening of an output.
    """

    def __init__(
        self,
        store: Store,
        *,
        suites: Sequence[int] = tuple(SUITES),
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
        opens: Callable[[int, bytes], bool] = opens_output,
    ):
        self.store = store
        self.sn = build_serial(store.serial)
        self.monotonic, self.random, self.opens = monotonic, random, opens
        self.offered = offer(suites)
        self._unanswered = 0  # hellos in a row that no right E2 answered
        self._command_ids = deque(store.command_ids(), KEPT_COMMAND_IDS)

    def __repr__(self):
        return f"<sealed device {self.store.serial}>"

    def connect(self, send: Callable[[bytes], None]) -> "DeviceSession":
        """Say hello on a connection that stands."""
        current, following = self.store.slots()
        slot = current
        if following is not None and self._unanswered % (_TRIES + 1) < _TRIES:
            slot = following
        self._unanswered += 1
        return DeviceSession(self, slot, self.store.count(), send)

    def answered(self) -> None:
        """Take note that the server knows the key that was offered."""
        self._unanswered = 0

    def proven(self, slot: Slot) -> None:
        """Forget the key before, now that the server has sealed a frame under this one."""
        following = self.store.slots()[1]
        if slot == following:
            self.store.keep(slot, None)

    def rekey(self, slot: Slot) -> bool:
        """Store the next key; False unless it is newer than the current one."""
        current, following = self.store.slots()
        if slot.version <= current.version:
            return False
        if slot != following:
            self.store.keep(current, slot)
        return True

    def is_new(self, command_id: bytes) -> bool:
        """Remember a command that is about to be carried out; False where it was already."""
        if command_id in self._command_ids:
            return False
        self.store.remember(command_id)
        self._command_ids.append(command_id)
        return True


class DeviceSession:
    """One connection, seen from the meter."""

    __slots__ = (
        "_decoder",
        "_device",
        "_exchange",
        "_hello",
        "_opened_at",
        "_opener",
        "_reconnect_at",
        "_sealer",
        "_send",
        "_server_time",
        "_slot",
        "dropped",
        "forbidden",
        "suite",
    )

    def __init__(
        self, device: Device, slot: Slot, boot_counter: int, send: Callable[[bytes], None]
    ):
        self.suite: int | None = None
        self.dropped = 0  # guarded frames that were late, too far ahead or known
        self.forbidden = 0
        self._device, self._slot, self._send = device, slot, send
        self._exchange = Exchange(device.random) if device.offered & EXCHANGING else None
        self._opener: Opener | None = None
        self._sealer: Sealer | None = None
        self._server_time = 0
        self._opened_at = self._reconnect_at = 0.0
        self._hello = wire.build_hello(
            device.sn,
            slot.version,
            device.offered,
            boot_counter,
            device.random(8),
            self._exchange.share if self._exchange else wire.NO_SHARE,
        )
        self._decoder = wire.Decoder()
        self._decoder.expect(wire.CHALLENGE, None, wire.CHALLENGE_SIZE, wire.CHALLENGE_SIZE)
        send(wire.enclose(self._hello))

    def __repr__(self):
        state = "open" if self.is_open else "not open"
        return f"<sealed session of {self._device.store.serial}, {state}>"

    @property
    def is_open(self) -> bool:
        """The server has proven itself, and the meter's own proof is out."""
        return self._sealer is not None

    @property
    def key_version(self) -> int:
        """The version of the key that this connection rests on."""
        return self._slot.version

    @property
    def wants_reconnect(self) -> bool:
        """It is time for a new connection, and so for new session keys."""
        return self.is_open and (
            self._device.monotonic() >= self._reconnect_at
            or self._opener.count >= FRAME_LIMIT
            or self._sealer.count >= FRAME_LIMIT
        )

    def server_time_ms(self) -> int:
        """Return the server's time (unix ms) by the meter's own clock since E2."""
        elapsed = self._device.monotonic() - self._opened_at
        return self._server_time + int(elapsed * 1000)

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory frame sealed."""
        return self._sealer.seal(_FRAMES[command] + body)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, however they are cut, and return the factory commands to obey."""
        frames: list[Frame] = []
        decoder = self._decoder
        try:
            inner = decoder.whole(data)
            if inner is not None:
                self._hear(inner, frames)
                return frames
            decoder.push(data)
            while decoder.pending and (inner := decoder.pull()) is not None:
                self._hear(inner, frames)
        except SealedError as error:
            error.frames = frames
            raise
        return frames

    def _hear(self, inner: bytes, frames: list[Frame]) -> None:
        """Handle one frame's `cmd … body CRC`; a command to obey joins the others."""
        if self._opener is None:
            self._prove(inner[:-2])
            return
        plaintext = self._opener.open(inner)
        if self._opener.count == 1:
            self._device.proven(self._slot)
        frame = _ACKNOWLEDGED.get(plaintext) or self._take(plaintext[0], plaintext[1:])
        if frame is not None:
            frames.append(frame)

    def _prove(self, inner: bytes) -> None:
        """Answer a right E2 by E3; anything else about it ends the connection."""
        device = self._device
        challenge = wire.parse_challenge(inner)
        suite = SUITES.get(challenge.suite)
        if suite is None or not suite.bit & device.offered:
            raise SealedError("A challenge chose a suite that was not offered.", Fault.MALFORMED)
        if challenge.key_version != self._slot.version:
            raise SealedError("A challenge is about another key version.", Fault.MALFORMED)
        if suite.exchanges != (challenge.share != wire.NO_SHARE):
            raise SealedError("A challenge's share does not fit its suite.", Fault.MALFORMED)
        transcript = self._hello, wire.unproven(inner)
        auth = schedule.auth_key(self._slot.key, device.sn)
        if not compare_digest(schedule.server_proof(auth, *transcript), challenge.proof):
            raise SealedError("The server does not know this meter's key.", Fault.PROOF)
        secret = self._exchange.secret(challenge.share) if suite.exchanges else b""
        keys = schedule.session_keys(self._slot.key, secret, *transcript, suite)
        session_id = challenge.session_id
        self._opener = Opener(suite, keys.down, keys.iv_down, session_id, device.sn + DOWN)
        self._sealer = Sealer(suite, keys.up, keys.iv_up, session_id, device.sn + UP)
        self._exchange = None
        self.suite = suite.number
        self._server_time = challenge.server_time
        self._opened_at = device.monotonic()
        first, last = RECONNECT_SECONDS
        share = int.from_bytes(device.random(4), "big") / (1 << 32)
        self._reconnect_at = self._opened_at + first + share * (last - first)
        self._decoder.expect(wire.DATA, suite.number, wire.MIN_DATA, wire.MAX_BODY)
        device.answered()
        proof = schedule.device_proof(auth, *transcript, challenge.proof)
        self._send(wire.enclose(wire.build_inner(wire.PROOF, suite.number, proof)))

    # === Open === #

    def _take(self, kind: int, content: bytes) -> Frame | None:
        """Return the command to obey, if this frame brings one."""
        if kind == FRAME and content and is_harmless(content[0], content[1:]):
            return Frame(content[0], content[1:])
        if kind == GUARDED and len(content) > _GUARD_SIZE:
            return self._take_guarded(content)
        if kind != REKEY or not self._is_rekeyed(content):
            self.forbidden += 1
            if self.forbidden >= FORBIDDEN_LIMIT:
                raise SealedError(
                    f"The server sent {self.forbidden} frames that may not come down.",
                    Fault.FORBIDDEN,
                )
        return None

    def _take_guarded(self, content: bytes) -> Frame | None:
        command_id = content[:COMMAND_ID_SIZE]
        not_after = int.from_bytes(content[COMMAND_ID_SIZE:_GUARD_SIZE], "big")
        frame = Frame(content[_GUARD_SIZE], content[_GUARD_SIZE + 1 :])
        now = self.server_time_ms()
        ahead = OPENING_AHEAD_MS if self._device.opens(*frame) else AHEAD_MS
        if now <= not_after <= now + ahead and self._device.is_new(command_id):
            return frame
        self.dropped += 1
        return None

    def _is_rekeyed(self, content: bytes) -> bool:
        """Store the next key and answer, also when it came before."""
        if len(content) != 2 + schedule.WRAPPED_SIZE:
            return False
        sn = self._device.sn
        try:
            key = schedule.unwrap_key(self._slot.key, sn, content[2:])
        except SealedError:
            return False  # counted with what else may not come down
        version = int.from_bytes(content[:2], "big")
        if not self._device.rekey(Slot(version, key)):
            return False
        answer = version.to_bytes(2, "big") + check_value(key, self._device.store.serial)
        self._send(self._sealer.seal(bytes((REKEY_ANSWER,)) + answer))
        return True
