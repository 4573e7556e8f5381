"""What must be right before an outlet becomes live."""

from odoo import models
from odoo.exceptions import UserError

from .acrel_shore_connection import CHECKLIST

# Deviation of the supply voltage that three-phase equipment is built for (GB/T 12325), per cent.
VOLTAGE_TOLERANCE = 7


class AcrelShoreConnection(models.Model):
    """The checks of a connection, each a sentence when it fails."""

    _inherit = "acrel.shore.connection"

    def _check_ready(self):
        """Refuse to go on while the call or the checklist is not complete."""
        self.ensure_one()
        call = self.call_id
        if call.state != "alongside":
            raise UserError(
                self.env._(
                    "%(vessel)s is not alongside. Note its berthing in %(call)s first.",
                    vessel=self.vessel_id.name,
                    call=call.name,
                )
            )
        if not call.declared_at:
            raise UserError(
                self.env._(
                    "%(vessel)s has not declared its receiving equipment. Note the declaration in"
                    " %(call)s first.",
                    vessel=self.vessel_id.name,
                    call=call.name,
                )
            )
        if not call.agent_id:
            raise UserError(
                self.env._(
                    "Nobody pays for %(call)s yet: enter the ship's agent there.", call=call.name
                )
            )
        missing = [
            self._fields[name]._description_string(self.env) for name in CHECKLIST if not self[name]
        ]
        if missing:
            raise UserError(
                self.env._(
                    "%(connection)s cannot be confirmed; still missing: %(missing)s.",
                    connection=self.name,
                    missing=", ".join(missing),
                )
            )
        self._check_outlet()

    def _check_outlet(self):
        """Refuse an outlet out of use, out of order or elsewhere."""
        outlet = self.outlet_id
        if outlet.berth_id != self.berth_id:
            raise UserError(
                self.env._(
                    "%(outlet)s is not at %(berth)s, where the ship lies.",
                    outlet=outlet.name,
                    berth=self.berth_id.name,
                )
            )
        faults = outlet._open_faults()
        if faults or not outlet.active:
            raise UserError(
                self.env._(
                    "%(outlet)s is out of order: %(fault)s. Note the repair first.",
                    outlet=outlet.name,
                    fault=faults[:1].description or self.env._("archived"),
                )
            )

    def _check_match(self):
        """Refuse parameters that ship and outlet do not share."""
        self.ensure_one()
        call, outlet = self.call_id, self.outlet_id
        values = {
            "vessel": self.vessel_id.name,
            "outlet": outlet.name,
            "voltage": call.voltage,
            "supply": outlet.voltage,
            "agreed": self.agreed_voltage,
        }
        if not call.equipped:
            raise UserError(self.env._("%(vessel)s has declared no receiving equipment.", **values))
        if (
            call.frequency != outlet.frequency
            or self.agreed_frequency != outlet.frequency
            or self.agreed_voltage != outlet.voltage
            or abs(call.voltage - outlet.voltage) * 100 > VOLTAGE_TOLERANCE * outlet.voltage
        ):
            raise UserError(
                self.env._(
                    "%(vessel)s takes %(voltage)s V %(ship_hz)s Hz, %(outlet)s supplies"
                    " %(supply)s V %(shore_hz)s Hz and %(agreed)s V %(agreed_hz)s Hz are agreed:"
                    " these must match. Use another outlet or correct the declaration.",
                    ship_hz=call.frequency or "?",
                    shore_hz=outlet.frequency,
                    agreed_hz=self.agreed_frequency or "?",
                    **values,
                )
            )
        if not 0 < self.agreed_load <= outlet.max_power:
            raise UserError(
                self.env._(
                    "The agreed load of %(load)s kW must be above zero and within the %(power)s"
                    " kVA of %(outlet)s.",
                    load=f"{self.agreed_load:g}",
                    power=f"{outlet.max_power:.1f}",
                    outlet=outlet.name,
                )
            )

    def _check_not_running(self):
        """Refuse a step while the outlet is or may be energised."""
        for connection in self.filtered("running"):
            raise UserError(
                self.env._(
                    "%(connection)s is energised or its contactor has not yet been read back open."
                    " De-energise it and wait until its session has finished.",
                    connection=connection.name,
                )
            )

    def _expect_state(self, state):
        """Refuse a step that does not follow on the connection's state."""
        self.ensure_one()
        if self.state != state:
            names = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(connection)s is %(state)s; this step needs one that is %(needed)s.",
                    connection=self.name,
                    state=names[self.state],
                    needed=names[state],
                )
            )
