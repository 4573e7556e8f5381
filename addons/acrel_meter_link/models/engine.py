"""The engine's pass over what arrived."""

import logging
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL, split_every

_logger = logging.getLogger(__name__)

# One transaction handles at most this many records, so that users never wait long for their rows.
BATCH = 2000

# A pause of the engine that is a break, and how long after one nobody counts as silent.
BREAK, SETTLING = timedelta(seconds=30), timedelta(seconds=60)
# A link process that gave no sign of life for so long stores nothing either.
WORKER_LOST = timedelta(seconds=30)

# What is no record's fault: the pass is repeated, or the connection made anew.
NOT_THE_RECORD = (
    *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)

# Kind of work: model, hook, table and key of what the link writes, its counter, table of marks.
WORK = {
    "readings": (
        "acrel.meter",
        "_on_readings",
        SQL("acrel_meter_live"),
        SQL("meter_id"),
        SQL("reading_id"),
        SQL("acrel_engine_meter_mark"),
    ),
    "observed": (
        "acrel.output",
        "_on_observed",
        SQL("acrel_output_live"),
        SQL("output_id"),
        SQL("change"),
        SQL("acrel_engine_output_mark"),
    ),
}


class AcrelEngine(models.AbstractModel):
    """Turns what the link process wrote into effects, each once.

    A mark per meter and output says how far it came; it moves in the transaction of the effects.
    A record that fails keeps its mark, has an event that lasts, and is tried again at every sweep
    without holding up the others.
    """

    _name = "acrel.engine"
    _description = "Engine"

    @api.model
    def _run_pass(self, sweep=True):
        """Do one whole pass in the current transaction.

        :param bool sweep: also try again what failed before
        """
        for work in WORK:
            for batch in self._pending(work, sweep):
                self._handle(work, batch)
        self._tick()

    @api.model
    def _pending(self, work, sweep):
        """Return what is beyond its mark, as of now.

        :return: batches, each a list of ids
        """
        model, _hook, live, key, counter, marks = WORK[work]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """SELECT l.%(key)s FROM %(live)s l
                     JOIN %(table)s r ON r.id = l.%(key)s
                LEFT JOIN %(marks)s m ON m.%(key)s = l.%(key)s
                    WHERE l.%(counter)s > COALESCE(m.%(counter)s, 0)
                 ORDER BY l.%(counter)s""",
                live=live,
                key=key,
                counter=counter,
                marks=marks,
                table=SQL.identifier(self.env[model]._table),
            )
        )
        ids = [row[0] for row in self.env.cr.fetchall()]
        if ids and not sweep:
            failing = set(self._failing(model).ids)
            ids = [one for one in ids if one not in failing]
        return list(split_every(BATCH, ids, list))

    @api.model
    def _handle(self, work, ids):
        """Call the hook of a kind of work for these ids and move their marks."""
        model, hook, live, key, counter, marks = WORK[work]
        records = self.env[model].browse(ids).exists()
        done = records - self._together(records, hook)
        # counters of the snapshot that the hook saw, which is this transaction's
        self.env.cr.execute(
            SQL(
                """INSERT INTO %(marks)s (%(key)s, %(counter)s)
                   SELECT %(key)s, %(counter)s FROM %(live)s WHERE %(key)s = ANY(%(ids)s)
              ON CONFLICT (%(key)s) DO UPDATE SET %(counter)s = EXCLUDED.%(counter)s""",
                marks=marks,
                key=key,
                counter=counter,
                live=live,
                ids=done.ids,
            )
        )

    @api.model
    def _tick(self):
        """Do what time alone brings, and tell open screens about events."""
        self._note_alive()
        self.env["acrel.meter"]._on_tick()
        self.env["acrel.event"]._announce()

    @api.model
    def _note_alive(self):
        """Note that the engine works, and since when without a break."""
        self.env.cr.execute(
            """INSERT INTO acrel_engine_alive AS a (last_at)
               VALUES (clock_timestamp() AT TIME ZONE 'UTC')
          ON CONFLICT (only_row) DO UPDATE SET last_at = EXCLUDED.last_at,
                  since = CASE WHEN a.last_at < EXCLUDED.last_at - %s THEN EXCLUDED.last_at
                               ELSE a.since END""",
            [BREAK],
        )

    @api.model
    def _hears(self):
        """Whether what meters said so far is stored, so that silence means what it says.

        After PostgreSQL or the engine was away, the link processes need a moment to store what
        they kept, and say so themselves as long as they do.
        """
        self.env.cr.execute(
            """SELECT NOT EXISTS (SELECT FROM acrel_engine_alive
                                   WHERE since > clock_timestamp() AT TIME ZONE 'UTC' - %s)
                  AND NOT EXISTS (SELECT FROM acrel_link_worker
                                   WHERE spool_records > 0 AND stopped_at IS NULL
                                     AND seen_at > clock_timestamp() AT TIME ZONE 'UTC' - %s)""",
            [SETTLING, WORKER_LOST],
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _together(self, records, hook):
        """Call a method of all these records at once, or of each alone when that fails.

        What failed before is handled alone from the start, so that it costs the others nothing.

        :param hook: name of the method, or a function of records
        :return: the records that failed
        """
        alone = self._failing(records._name) & records
        failed = self._each(alone, hook)
        rest = records - alone
        if not rest:
            return failed
        try:
            with self.env.cr.savepoint():
                _call(rest, hook)
        except NOT_THE_RECORD:
            raise
        except Exception:
            _logger.warning(
                "%s records of %s failed together; each is handled alone", len(rest), rest._name
            )
            failed |= self._each(rest, hook)
        return failed

    @api.model
    def _each(self, records, hook):
        """Call a method of each record in its own savepoint.

        A failure is logged and opens an event, which ends when the record succeeds; it stops no
        other record. Errors of the database itself go through, since the whole transaction is to
        be repeated.

        :param hook: name of the method, or a function of one record
        :return: the records that failed
        """
        failed = records.browse()
        if not records:
            return failed
        failing = self._failing(records._name) & records
        for record in records:
            try:
                with self.env.cr.savepoint():
                    _call(record, hook)
            except NOT_THE_RECORD:
                raise
            except Exception as error:
                _logger.exception("The engine could not handle %s", record)
                self._report_failure(record, error)
                failed |= record
        self._end_failures(failing - failed)
        return failed

    @api.model
    def _subject(self, record):
        """Return the fields by which an event names a record of this layer or above."""
        if record._name == "acrel.meter":
            return {"meter_id": record.id}
        if record._name == "acrel.output":
            return {"meter_id": record.meter_id.id, "output_id": record.id}
        return {}

    @api.model
    def _report_failure(self, record, error):
        """Open an event about a record that failed, unless one lasts."""
        subject = self._subject(record)
        name = f"{record._name},{record.id}"
        lasting = self.env["acrel.event"].search_count(
            [("kind", "=", "engine_error"), ("end_at", "=", False), ("record_ref", "=", name)],
            limit=1,
        )
        if not lasting:
            self.env["acrel.event"].create(
                {
                    **subject,
                    "kind": "engine_error",
                    "severity": "alarm",
                    "begin_at": fields.Datetime.now(),
                    "record_ref": name,
                    "message": f"{type(error).__name__}: {error}",
                }
            )

    @api.model
    def _failing(self, model):
        """Return the records of a model whose last attempt failed."""
        names = (
            self.env["acrel.event"]
            .search([("kind", "=", "engine_error"), ("end_at", "=", False)])
            .mapped("record_ref")
        )
        ids = [
            int(name.rpartition(",")[2]) for name in names if name and name.startswith(f"{model},")
        ]
        return self.env[model].browse(ids).exists()

    @api.model
    def _end_failures(self, records):
        """End the events about records that were handled now."""
        if not records:
            return
        self.env["acrel.event"].search(
            [
                ("kind", "=", "engine_error"),
                ("end_at", "=", False),
                ("record_ref", "in", [f"{one._name},{one.id}" for one in records]),
            ]
        ).end_at = fields.Datetime.now()


def _call(records, hook):
    """Call a method by its name, or a function of these records."""
    if callable(hook):
        hook(records)
    else:
        getattr(records, hook)()
