"""Which process owns which link: claims, and the proof that they still hold.

A claim gives the link a new epoch. Whoever writes what an output is, or claims a close, compares
the epoch in the same statement; a connection whose epoch is not the newest sends nothing more.
"""

from collections.abc import Callable

from .connection import Connection
from .context import Context
from .incidents import Subject
from .master import LIVE_COLUMNS, LinkSpec

CLAIM = """
WITH new AS (
    SELECT * FROM unnest(%s::integer[], %s::timestamp[], %s::text[], %s::text[], %s::text[],
                         %s::integer[], %s::integer[],
                         %s::text[], %s::text[], %s::integer[], %s::integer[], %s::timestamp[])
        AS n (link_id, connected_at, peer, iccid, firmware, rssi, upload_minutes,
              channel, proven_by, suite, key_version, secured_at)
), old AS (
    SELECT l.link_id, l.worker_id, l.bound_iccid FROM acrel_link_live l JOIN new USING (link_id)
), claimed AS (
    INSERT INTO acrel_link_live AS l (link_id, epoch, worker_id, online, connected_at, seen_at,
                                      peer, iccid, bound_iccid, firmware, rssi, upload_minutes,
                                      channel, proven_by, suite, key_version, secured_at)
    SELECT link_id, nextval('acrel_link_epoch_seq'), %s, true, connected_at, connected_at,
           peer, iccid, nullif(iccid, ''), firmware, rssi, upload_minutes,
           channel, proven_by, suite, key_version, secured_at
      FROM new WHERE clock_timestamp() < %s::timestamp + %s * interval '1 s' ORDER BY link_id
    ON CONFLICT (link_id) DO UPDATE
       SET epoch = excluded.epoch, worker_id = excluded.worker_id, online = true,
           connected_at = excluded.connected_at, seen_at = excluded.seen_at, closed_at = NULL,
           peer = excluded.peer, iccid = excluded.iccid, firmware = excluded.firmware,
           bound_iccid = coalesce(l.bound_iccid, excluded.bound_iccid),
           rssi = excluded.rssi, upload_minutes = excluded.upload_minutes,
           channel = excluded.channel, proven_by = excluded.proven_by, suite = excluded.suite,
           key_version = excluded.key_version,
           secured_at = coalesce(excluded.secured_at, l.secured_at)
    RETURNING link_id, epoch
)
SELECT claimed.link_id, claimed.epoch, old.worker_id, old.bound_iccid
  FROM claimed LEFT JOIN old USING (link_id)
"""
# A bus is taken only when no living process has it.
ACQUIRE = """
WITH old AS (
    SELECT link_id, worker_id FROM acrel_link_live WHERE link_id = ANY(%(links)s)
), taken AS (
    INSERT INTO acrel_link_live AS l (link_id, epoch, worker_id, online, peer)
    SELECT n.link_id, nextval('acrel_link_epoch_seq'), %(worker)s, false, n.peer
      FROM unnest(%(links)s::integer[], %(peers)s::text[]) AS n (link_id, peer)
     ORDER BY n.link_id
    ON CONFLICT (link_id) DO UPDATE
       SET epoch = excluded.epoch, worker_id = excluded.worker_id, online = false,
           peer = excluded.peer
     WHERE l.worker_id IS NULL OR l.worker_id = excluded.worker_id
        OR NOT EXISTS (SELECT 1 FROM acrel_link_worker w
                        WHERE w.id = l.worker_id AND w.stopped_at IS NULL
                          AND w.seen_at >= clock_timestamp() - %(alive)s * interval '1 s')
    RETURNING link_id, epoch
)
SELECT taken.link_id, taken.epoch, old.worker_id FROM taken LEFT JOIN old USING (link_id)
"""
# An attempt that an earlier connection left unfinished was not confirmed.
INTERRUPTED = """
UPDATE acrel_command SET state = 'failed', done_at = clock_timestamp(),
       message = 'The connection was lost before it was confirmed.'
 WHERE origin = 'desired' AND state = 'sent' AND output_id = ANY(%s)
"""
OTHERS_LIVE = f"""
SELECT output_id, change, {", ".join(LIVE_COLUMNS)} FROM acrel_output_live WHERE output_id = ANY(%s)
"""
OTHERS_METERS = """
SELECT l.meter_id, l.e_forward FROM acrel_meter_live l JOIN acrel_output o USING (meter_id)
 WHERE o.id = ANY(%s) AND l.e_forward IS NOT NULL
"""
SEEN = """
UPDATE acrel_link_live l SET seen_at = n.seen_at
  FROM unnest(%s::integer[], %s::bigint[], %s::timestamp[]) AS n (link_id, epoch, seen_at)
 WHERE l.link_id = n.link_id AND l.epoch = n.epoch
"""
HELD = """
SELECT n.link_id FROM unnest(%s::integer[], %s::bigint[]) AS n (link_id, epoch)
  JOIN acrel_link_live l ON l.link_id = n.link_id AND l.epoch = n.epoch
"""
CLOSED = """
UPDATE acrel_link_live l SET online = false, closed_at = n.closed_at, seen_at = n.seen_at
  FROM unnest(%s::integer[], %s::bigint[], %s::timestamp[], %s::timestamp[])
       AS n (link_id, epoch, seen_at, closed_at)
 WHERE l.link_id = n.link_id AND l.epoch = n.epoch
"""
STOPPED = """
UPDATE acrel_link_live SET online = false, closed_at = clock_timestamp()
 WHERE worker_id = %s AND online
"""
SEEN_EVERY = 6  # sweeps
ALIVE_SECONDS = 30  # a process that did not write its row for so long is dead


class Leases:
    """Claims connections in batches, keeps their rows, ends those that lost their link."""

    def __init__(self, context: Context, online: Callable[[], list[Connection]]):
        self._context, self._online = context, online
        self._unclaimed: list[Connection] = []
        # by link id what a claim found that is not complete yet: worker, SIM card; and its epoch
        self._begun: dict[int, tuple[int | None, str | None, int]] = {}
        self._ended: list[tuple] = []
        self._sweeps = 0

    def register(self, connection: Connection) -> None:
        """Claim this connection's link with the next batch."""
        self._unclaimed.append(connection)

    def end(self, connection: Connection) -> None:
        """Write with the next batch that the connection is gone."""
        if connection.epoch is not None:
            now = self._context.clock.now()
            self._ended.append((connection.link.id, connection.epoch, connection.seen_at, now))

    async def claim(self) -> None:
        """Claim the links of new connections; to be called again when it fails half-way."""
        if self._context.vitals.stood_still(self._context.settings.lease):
            return  # these connections are about to be closed
        self._drop_closed()
        lines = self._unclaimed.copy()
        if not lines:
            return
        newest = {line.link.id: line for line in lines}
        facts = [(line, line.registration) for line in newest.values()]
        secured = [line.security for line in newest.values()]
        rows = await self._context.keeping.fetch(
            CLAIM,
            (
                list(newest),
                [line.connected_at for line, _ in facts],
                [line.peer for line, _ in facts],
                [told.iccid for _, told in facts],
                ["/".join(told.firmware) for _, told in facts],
                [told.rssi for _, told in facts],
                [told.upload_minutes for _, told in facts],
                *(list(column) for column in zip(*secured, strict=True)),
                self._context.worker_id,
                self._context.clock.now(),
                self._context.settings.lease,
            ),
        )
        if not rows:
            # Asked for before this process stood still, so that meters may have moved on; or the
            # database's clock was set.
            await self._context.keeping.follow_clock()
            await self.claim()
            return
        for link_id, epoch, worker, iccid in rows:
            # a claim that is repeated would find only what it wrote itself
            before = self._begun.get(link_id, (worker, iccid))
            self._begun[link_id] = (before[0], before[1], epoch)
        outputs = [
            output.id
            for line in newest.values()
            for meter in line.link.meters
            for output in meter.outputs
        ]
        foreign = [
            output.id
            for link_id, *_ in rows
            if self._begun[link_id][0] not in (None, self._context.worker_id)
            for meter in newest[link_id].link.meters
            for output in meter.outputs
        ]
        if outputs:
            await self._context.keeping.fetch(INTERRUPTED, (outputs,))
        if foreign:
            await self._take_over(foreign)
        done = set(lines)
        self._unclaimed = [line for line in self._unclaimed if line not in done]
        for link_id, *_ in rows:
            line = newest[link_id]
            _, iccid, epoch = self._begun.pop(link_id)
            if iccid and iccid != line.registration.iccid:
                self._context.incidents.begin(
                    "sim_changed",
                    Subject(link=link_id),
                    f"It registered with SIM card {line.registration.iccid or 'none'} and is "
                    f"bound to {iccid}: accept the card, or find out who has the meter.",
                )
            else:
                self._context.incidents.end("sim_changed", Subject(link=link_id))
            if line.closed:
                self._went(line, epoch)
            else:
                line.claimed(epoch)

    def _drop_closed(self) -> None:
        """Forget connections that closed before they were claimed."""
        for line in self._unclaimed:
            if line.closed and line.link.id in self._begun:
                self._went(line, self._begun[line.link.id][2])
        self._unclaimed = [line for line in self._unclaimed if not line.closed]

    def _went(self, line: Connection, epoch: int) -> None:
        """Write that a connection went while it was claimed."""
        now = self._context.clock.now()
        self._ended.append((line.link.id, epoch, line.seen_at, now))

    async def acquire(self, links: list[LinkSpec]) -> dict[int, int]:
        """Take those of these buses that no living process has; return their epochs."""
        rows = await self._context.keeping.fetch(
            ACQUIRE,
            {
                "links": [link.id for link in links],
                "peers": [link.address for link in links],
                "worker": self._context.worker_id,
                "alive": ALIVE_SECONDS,
            },
        )
        taken = {}
        for link_id, epoch, worker in rows:
            # a claim that is repeated would find only what it wrote itself
            self._begun.setdefault(link_id, (worker, None, epoch))
            taken[link_id] = (epoch, self._begun[link_id][0])
        outputs = {
            output.id: taken[link.id][1]
            for link in links
            if link.id in taken
            for meter in link.meters
            for output in meter.outputs
        }
        if outputs:
            await self._context.keeping.fetch(INTERRUPTED, (list(outputs),))
        foreign = [
            output_id
            for output_id, before in outputs.items()
            if before not in (None, self._context.worker_id)
        ]
        if foreign:
            await self._take_over(foreign)
        for link_id in taken:
            del self._begun[link_id]
        return {link_id: epoch for link_id, (epoch, _) in taken.items()}

    async def _take_over(self, outputs: list[int]) -> None:
        """Read what another process did since this one started to outputs that are its own now."""
        master = self._context.master
        for output_id, change, *values in await self._context.keeping.fetch(
            OTHERS_LIVE, (outputs,)
        ):
            if change <= master.changes.get(output_id, -1):
                continue
            live = master.live_of(output_id)
            for name, value in zip(LIVE_COLUMNS, values, strict=True):
                setattr(live, name, value)
        for meter_id, register in await self._context.keeping.fetch(OTHERS_METERS, (outputs,)):
            master.registers[meter_id] = max(register, master.registers.get(meter_id, 0))

    async def sweep(self) -> None:
        """Write who is gone and who was seen; end connections whose epoch is not the newest."""
        if self._ended:
            ended = self._ended.copy()
            await self._context.keeping.fetch(CLOSED, tuple(map(list, zip(*ended, strict=True))))
            del self._ended[: len(ended)]
        lines = [line for line in self._online() if line.epoch is not None]
        if not lines:
            return
        links, epochs = [line.link.id for line in lines], [line.epoch for line in lines]
        held = {row[0] for row in await self._context.keeping.fetch(HELD, (links, epochs))}
        for line in lines:
            if line.link.id not in held:
                line.lost_epoch()
        if self._sweeps % SEEN_EVERY == 0:
            await self._context.keeping.fetch(
                SEEN, (links, epochs, [line.seen_at for line in lines])
            )
        self._sweeps += 1

    async def close(self) -> None:
        """Write that every connection of this process is gone, at its stop."""
        await self._context.keeping.fetch(STOPPED, (self._context.worker_id,))
