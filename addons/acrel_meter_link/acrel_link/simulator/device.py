"""The physical side of a simulated meter: contactor, load, energy, registers.

Time is a number of nanoseconds that the caller passes. Between two looks nothing is computed: the
state is brought forward when somebody looks. Energy is an integer of W·ns, so it never drifts.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from fractions import Fraction

from ..decoders import decode_clock, encode_clock
from ..profiles import DEFAULT, BlockRule, OutputDrive, Profile, profile
from .faults import Faults
from .image import Image, Measured

NS = 1_000_000_000
COUNT = 36_000 * NS  # W·ns in one count of the energy registers, 0.01 kWh
SLOT = 10 * NS  # the load changes a little from one slot to the next
LOCAL = timezone(timedelta(hours=8))


class Device:
    """One meter with a contactor on output 1 whose auxiliary contact is on DI1."""

    def __init__(
        self,
        now: int,
        *,
        load: int = 7000,
        phases: int = 3,
        speed: Fraction | int = 1,
        energy: int = 0,
        seed: int = 0,
        travel: int = NS // 20,
        model: Profile | None = None,
    ):
        self.profile = model or profile(DEFAULT)
        self.faults = Faults()
        self.load = load  # W, while a car is plugged in and the contactor is closed
        self.plugged = True
        self.phases = phases
        self.contactor = False
        self.clock_offset = 0  # ns that the meter's clock is ahead
        self._speed = Fraction(speed)
        self._seed = seed
        self._travel = travel
        self._now = now
        self._moves_at: int | None = None
        self._fallen = False  # it opened by itself and waits for DO1 to be opened
        self._energy = energy  # W·ns that were ever drawn, in simulated time
        self._rest = 0  # of the division by the speed's denominator
        self._image = Image(self.profile)
        self._clock = next(
            (each for each in self.profile.map.registers if each.type == "clock"), None
        )
        self._uploads_clock = any(
            register.type == "clock"
            for rule in self.profile.uploads
            for register in rule.map.inside(rule.start, rule.most)
        )
        self._pulsed = False  # a contactor that changes at each pulse of output 1 is closed
        self._seen: tuple[int, int, bool, int] | None = None  # what the image was made of
        self._second = -1  # that the image's clock shows
        self._steady_until = 0  # until then a look would show what the image shows
        self.relay_writes: deque[tuple[int, bool]] = deque(maxlen=1000)  # time, closed
        self.writes: deque[int] = deque(maxlen=1000)  # first registers of other writes
        self.on_relay: Callable[[bool], None] | None = None

    # === What is wired to it === #

    @property
    def relay(self) -> bool:
        """What output 1 holds its contactor to: True = closed."""
        drive = self.profile.outputs[1]
        if self._gives_pulses(drive):
            return self._pulsed
        words = self._image.words(drive.register, len(drive.close))
        return bool(drive.state((drive.register, len(drive.close)), words))

    def _gives_pulses(self, drive: OutputDrive) -> bool:
        return drive.mode is not None and self._image.get(drive.mode) == 1

    def advance(self, now: int) -> None:
        """Bring contactor and energy to a later time.

        Everybody does so before changing something, so the image is looked at again after it.
        """
        self._steady_until = 0
        if self._moves_at is not None and self._moves_at <= now:
            moved_at, self._moves_at = self._moves_at, None
            self._flow(max(moved_at, self._now))
            self.contactor = self.relay and not self._fallen
        self._flow(now)

    def _drive(self, now: int) -> None:
        """Set the contactor moving where relay and faults demand it."""
        if not self.relay:
            self._fallen = False
        wanted = self.relay and not self._fallen
        held = self.faults.stuck is not None and self.contactor
        barred = self.faults.no_close is not None and not self.contactor
        if wanted == self.contactor or (held and not wanted) or (barred and wanted):
            self._moves_at = None
        elif self._moves_at is None:
            self._moves_at = now + self._travel

    def fault(self, now: int, name: str, value: float | None = None) -> None:
        """Switch a fault on."""
        self.advance(now)
        self.faults.set(name, value)
        if name == "opens_itself":
            self._fallen = True
            self.contactor = False
        self._drive(now)

    def clear(self, now: int, name: str | None = None) -> None:
        """Switch a fault off, or all."""
        self.advance(now)
        self.faults.clear(name)
        self._drive(now)

    def set_load(self, now: int, watts: int) -> None:
        """Change what the car takes."""
        self.advance(now)
        self.load = watts

    def plug(self, now: int, plugged: bool) -> None:
        """Plug the car in or out."""
        self.advance(now)
        self.plugged = plugged

    # === Energy === #

    def power(self, now: int) -> int:
        """Return the power that flows, in W."""
        self.advance(now)
        return self._power_in(now // SLOT)

    def _power_in(self, slot: int) -> int:
        if not (self.contactor and self.plugged):
            return 0
        wobble = (self._seed * 2_654_435_761 + slot * 40_503) % 11 - 5  # per mille
        return self.load * (1000 + wobble) // 1000

    def _flow(self, now: int) -> None:
        while self._now < now:
            slot = self._now // SLOT
            until = min(now, (slot + 1) * SLOT)
            if power := self._power_in(slot):
                work = power * (until - self._now) * self._speed.numerator + self._rest
                added, self._rest = divmod(work, self._speed.denominator)
                self._energy += added
            else:
                until = now  # nothing flows, whatever the slot
            self._now = until

    def energy(self, now: int) -> int:
        """Return all energy that was ever drawn, in W·ns."""
        self.advance(now)
        return self._energy

    def register(self, now: int) -> int:
        """Return the forward energy register as it truly stands, in 0.01 kWh."""
        return self.energy(now) // COUNT

    # === What Modbus sees === #

    def register_of(self, name: str) -> int:
        """Return a register by name as it stands."""
        return self._image.get(name)

    def show(self, name: str, value: int) -> None:
        """Set a register that the meter itself sets."""
        self._image.set(name, value)

    def read(self, now: int, start: int, count: int, *, shown_zero: bool = False) -> bytes | None:
        """Return the bytes of registers, or None where the meter has none of them."""
        self._look(now, shown_zero)
        return self._image.read(start, count)

    def edition(self, now: int, *, shown_zero: bool = False) -> int:
        """Return a number that is another one whenever the blocks of an upload are."""
        if now >= self._steady_until or shown_zero or self._uploads_clock:
            self._look(now, shown_zero)
        return self._image.edition

    def upload_blocks(self, rules: Iterable[BlockRule]) -> list[bytes]:
        """Return the blocks of this edition, as many registers as its profile allows."""
        return [self._image.upload_block(rule.map, rule.start, rule.most) for rule in rules]

    def _look(self, now: int, shown_zero: bool) -> None:
        self.advance(now)
        energy = 0 if shown_zero else self._energy // COUNT - int(self.faults.backwards or 0)
        slot = now // SLOT
        seen = (slot, self._power_in(slot), self.contactor, energy)
        if seen != self._seen:
            self._seen = seen
            self._image.measure(self._measured(*seen))
        second = (now + self.clock_offset) // NS
        if second != self._second:
            self._second = second
            if self._clock is not None:
                local = datetime.fromtimestamp(second, LOCAL)
                self._image.set_bytes(self._clock, encode_clock(local, bcd=False))
        if not shown_zero:
            self._steady_until = self._next_change(seen[1])

    def _next_change(self, power: int) -> int:
        """Return when a register will be another one, if nobody touches the meter before."""
        change = (self._now // SLOT + 1) * SLOT
        if self._moves_at is not None:
            change = min(change, self._moves_at)
        if power:
            speed = self._speed
            missing = (COUNT - self._energy % COUNT) * speed.denominator - self._rest
            # rounded up: a moment before, the count is still the same
            change = min(change, self._now - -missing // (power * speed.numerator))
        return change

    def write(self, now: int, start: int, values: tuple[int, ...]) -> bool:
        """Write registers; False where they cannot be written."""
        self.advance(now)
        before = self.relay
        drives = self.profile.outputs.values()
        held = {drive: self._image.words(drive.register, len(drive.close)) for drive in drives}
        if not self._image.write(start, values):
            return False
        for drive, words in held.items():
            if not start <= drive.register < start + len(values):
                continue
            if drive.driver is not None and self._image.get(drive.driver):
                self._restore(drive, words)  # the output does not obey the network
            elif self._gives_pulses(drive):
                closed = drive.state(
                    (drive.register, len(values)),
                    self._image.words(drive.register, len(drive.close)),
                )
                self._pulsed ^= drive.number == 1 and bool(closed)
                self._restore(drive, words)
            if drive.number == 1:
                self.relay_writes.append((now, self.relay))
        if not any(start <= drive.register < start + len(values) for drive in drives):
            self.writes.append(start)
        clock = self._clock
        if clock is not None and start <= clock.address < start + len(values):
            self._set_clock(now)
        if self.relay != before:
            if self.on_relay is not None:
                self.on_relay(self.relay)
            self._drive(now)
        return True

    def _restore(self, drive: OutputDrive, words: bytes) -> None:
        values = [int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2)]
        self._image.write(drive.register, tuple(values))

    def _set_clock(self, now: int) -> None:
        """Go on from what was written into the clock's registers."""
        clock = self._clock
        raw = self._image.words(clock.address, clock.words)
        told = decode_clock(raw, datetime.fromtimestamp(now // NS, LOCAL).date())
        if told is not None:
            self.clock_offset = int(told.replace(tzinfo=LOCAL).timestamp()) * NS - now

    def _measured(self, slot: int, power: int, contactor: bool, energy: int) -> Measured:
        return Measured(
            power=power,
            phases=self.phases,
            voltages=tuple(
                2300 + (self._seed * 7 + slot * 3 + phase * 5) % 40 for phase in range(3)
            ),
            di=int(contactor),
            frequency=4998 + (slot + self._seed) % 5,
            energy=max(energy, 0),
        )
