"""The meter's own alarms: which, at what, after how long."""

from decimal import ROUND_HALF_UP, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..access import require
from ..acrel_link.errors import ProtocolError
from ..acrel_link.profiles import profile
from ..acrel_link.writes import ORDERED, plan_writes
from ..models.event import KIND_LABELS


def raw(register, number):
    """Return a number of a view as the raw count of its register, rounded half-up."""
    counts = Decimal(repr(number)).scaleb(register.decimals)
    return int(counts.quantize(Decimal(1), ROUND_HALF_UP))


class AcrelMeterSettings(models.TransientModel):
    """Thresholds and delays as the meter held them when they were last read, to be changed."""

    _name = "acrel.meter.settings"
    _description = "Alarms of a Meter"

    meter_id = fields.Many2one("acrel.meter", required=True, readonly=True)
    read_at = fields.Datetime("Read From the Meter", readonly=True)
    line_ids = fields.One2many("acrel.meter.settings.line", "wizard_id")

    @api.model
    def default_get(self, fields_list):
        """Fill in what the meter held."""
        values = super().default_get(fields_list)
        meter = self.env["acrel.meter"].browse(values.get("meter_id"))
        if meter:
            values["read_at"], held = self._held(meter)
            values["line_ids"] = [(0, 0, line) for line in self._lines(meter, held)]
        return values

    @api.model
    def _held(self, meter):
        """Return when the settings were last read, and the raw counts by register.

        :raise UserError: when they never were
        """
        self.env.cr.execute(
            """SELECT received_at, data FROM acrel_meter_snapshot
                WHERE meter_id = %s AND kind = 'settings' ORDER BY received_at DESC LIMIT 1""",
            [meter.id],
        )
        row = self.env.cr.fetchone()
        if row is None:
            raise UserError(
                self.env._(
                    "The settings of meter %(meter)s were not read yet. Press “Read Everything” "
                    "on its page “Power Quality” and come back in a minute.",
                    meter=meter.display_name,
                )
            )
        return row

    @api.model
    def _lines(self, meter, held):
        """Return one line for each alarm of which the meter told a setting."""
        model = profile(meter.profile)
        kinds = dict(self.env["acrel.event"]._fields["kind"]._description_selection(self.env))
        lines = []
        for word in model.status:
            enable = word.name.replace("_status", "_enable")
            for bit, kind in enumerate(word.events):
                if enable not in held:
                    continue
                line = {
                    "kind": kind,
                    "name": kinds.get(kind, KIND_LABELS.get(kind, kind)),
                    "enable_register": enable,
                    "bit": bit,
                    "enabled": bool(held[enable] >> bit & 1),
                }
                register = model.map.by_name.get(model.thresholds.get(kind))
                if register is not None and register.name in held:
                    line |= {
                        "threshold_register": register.name,
                        "threshold": float(register.scaled(held[register.name])),
                        "unit": register.unit,
                        "lowest": float(register.scaled(register.range[0])),
                        "highest": float(register.scaled(register.range[1])),
                        "delay": held[f"{register.name}_delay"] / 100,
                    }
                lines.append(line)
        return lines

    def _changes(self):
        """Return the raw counts that differ from what the meter held, by register."""
        model = profile(self.meter_id.profile)
        held = self._held(self.meter_id)[1]
        wanted = {}
        for line in self.line_ids:
            word = wanted.get(line.enable_register, held[line.enable_register])
            wanted[line.enable_register] = word & ~(1 << line.bit) | line.enabled << line.bit
            if not line.threshold_register:
                continue
            for name, number in (
                (line.threshold_register, line.threshold),
                (f"{line.threshold_register}_delay", line.delay),
            ):
                register = model.map.by_name[name]
                count, (low, high) = raw(register, number), register.range
                if not low <= count <= high:
                    raise ValidationError(
                        self.env._(
                            "%(alarm)s: %(number)s is not possible, it must be %(low)s to %(high)s "
                            "%(unit)s.",
                            alarm=line.name,
                            number=number,
                            low=register.scaled(low),
                            high=register.scaled(high),
                            unit=register.unit,
                        )
                    )
                wanted[name] = count
        return {name: count for name, count in wanted.items() if held[name] != count}

    def action_write(self):
        """Order what was changed to be written, and open the order."""
        require(self.env, "group_maintenance")
        self.meter_id.check_access("write")
        changes = self._changes()
        if not changes:
            raise UserError(self.env._("Nothing was changed."))
        model = profile(self.meter_id.profile)
        try:
            plan_writes(model, changes, ORDERED["write"])
        except ProtocolError as error:
            raise UserError(str(error)) from error
        summary = ", ".join(
            f"{register.item}: {register.scaled(count)} {register.unit}".strip()
            for register, count in ((model.map.by_name[name], changes[name]) for name in changes)
        )
        command = self.meter_id._send_order("write", {"registers": changes}, summary)
        self.meter_id.message_post(
            body=self.env._("Settings are written to the meter: %(what)s.", what=summary)
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.command",
            "res_id": command.id,
            "view_mode": "form",
        }


class AcrelMeterSettingsLine(models.TransientModel):
    """One alarm of the meter."""

    _name = "acrel.meter.settings.line"
    _description = "Alarm of a Meter"

    wizard_id = fields.Many2one("acrel.meter.settings", required=True, ondelete="cascade")
    kind = fields.Char()
    name = fields.Char("Alarm")
    enable_register = fields.Char()
    bit = fields.Integer()
    enabled = fields.Boolean()
    threshold_register = fields.Char()
    threshold = fields.Float(digits=(16, 3))
    unit = fields.Char()
    lowest = fields.Float(digits=(16, 3))
    highest = fields.Float(digits=(16, 3))
    delay = fields.Float("Delay (s)", digits=(16, 2))
