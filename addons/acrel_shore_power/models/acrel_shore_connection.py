"""A ship at an outlet: checked, energised, ended, and the record of it."""

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_charging import units
from odoo.addons.acrel_meter_link.fields import BigInteger

from .acrel_vessel import FREQUENCIES

# Operators and ships keep the record at least this long (Measures on shore power, Art. 18).
RECORD_YEARS = 2
LIVE = ("authorised", "starting", "charging", "stopping")
CHECKLIST = (
    "parameters_shore",
    "parameters_ship",
    "cable_connected",
    "interlock_ok",
    "shore_responsible_id",
    "ship_responsible",
)
FROZEN = {*CHECKLIST, "call_id", "outlet_id", "agreed_voltage", "agreed_frequency", "agreed_load"}


class AcrelShoreConnection(models.Model):
    """One vessel connected to one outlet; each energising is a session of the outlet's pile."""

    _name = "acrel.shore.connection"
    _description = "Shore Connection"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char("Number", readonly=True, copy=False, default="/", index="trigram")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("confirmed", "Confirmed"),
            ("energised", "Energised"),
            ("ended", "Ended"),
            ("cancelled", "Cancelled"),
        ],
        compute="_compute_state",
        store=True,
        index=True,
        tracking=True,
        group_expand=True,
    )
    call_id = fields.Many2one(
        "acrel.berth.call",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain="[('state', 'in', ['expected', 'alongside'])]",
    )
    berth_id = fields.Many2one(related="call_id.berth_id", store=True, index=True)
    vessel_id = fields.Many2one(related="call_id.vessel_id", store=True, index=True)
    agent_id = fields.Many2one(related="call_id.agent_id", store=True, index=True)
    station_id = fields.Many2one(related="call_id.station_id", store=True)
    company_id = fields.Many2one(related="call_id.company_id", store=True, index=True)
    outlet_id = fields.Many2one(
        "acrel.shore.outlet",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain="[('berth_id', '=', berth_id)]",
        tracking=True,
    )
    on_doubt = fields.Selection(related="outlet_id.on_doubt")

    # === CHECKLIST BEFORE ENERGISING === #
    agreed_voltage = fields.Integer(
        "Voltage (V)",
        compute="_compute_agreed_voltage",
        store=True,
        readonly=False,
        tracking=True,
    )
    agreed_frequency = fields.Selection(
        FREQUENCIES,
        "Frequency",
        compute="_compute_agreed_frequency",
        store=True,
        readonly=False,
        tracking=True,
    )
    agreed_load = fields.Float(
        "Largest Load (kW)",
        digits=(9, 1),
        compute="_compute_agreed_load",
        store=True,
        readonly=False,
        tracking=True,
    )
    parameters_shore = fields.Boolean(
        "Parameters Confirmed by Shore",
        copy=False,
        tracking=True,
        help="Both sides confirm the main parameters before use (amendment of 2025 to the"
        " Measures on shore power).",
    )
    parameters_ship = fields.Boolean("Parameters Confirmed by Ship", copy=False, tracking=True)
    cable_connected = fields.Boolean(copy=False, tracking=True)
    interlock_ok = fields.Boolean("Interlock and Emergency Stop Tested", copy=False, tracking=True)
    shore_responsible_id = fields.Many2one(
        "res.users",
        "Responsible Ashore",
        check_company=True,
        compute="_compute_shore_responsible_id",
        store=True,
        readonly=False,
        tracking=True,
        help="Named in every alarm of this connection; decides when the software must not.",
    )
    ship_responsible = fields.Char("Responsible on Board", copy=False, tracking=True)
    confirmed_at = fields.Datetime("Confirmed", readonly=True, copy=False, tracking=True)
    confirmed_by_id = fields.Many2one("res.users", "Confirmed by", readonly=True, copy=False)
    cancelled_at = fields.Datetime("Cancelled", readonly=True, copy=False)

    # === RECORD === #
    session_ids = fields.One2many(
        "acrel.session", "shore_connection_id", "Energisings", readonly=True
    )
    running = fields.Boolean(compute="_compute_state", store=True)
    vessel_name = fields.Char("Ship Name", compute="_compute_record_names", store=True)
    berth_name = fields.Char(compute="_compute_record_names", store=True)
    berthed_at = fields.Datetime(related="call_id.arrived_at", string="Berthed", store=True)
    departed_at = fields.Datetime(related="call_id.departed_at", string="Departure", store=True)
    power_on_at = fields.Datetime(
        "Shore Power From", compute="_compute_record", store=True, index=True
    )
    power_off_at = fields.Datetime("Shore Power To", compute="_compute_record", store=True)
    energy_wh = BigInteger("Energy (Wh)", compute="_compute_record", store=True)
    energy_kwh = fields.Float("Energy (kWh)", digits=(12, 2), compute="_compute_energy_kwh")
    fault_ids = fields.One2many("acrel.shore.fault", "connection_id", "Faults")
    fault_text = fields.Text("Fault Record", compute="_compute_fault_text")
    ended_at = fields.Datetime("Ended", readonly=True, copy=False, tracking=True)
    ended_by_id = fields.Many2one("res.users", "Ended by", readonly=True, copy=False)
    bill_ids = fields.One2many("acrel.bill", "shore_connection_id", "Bills", readonly=True)
    bill_id = fields.Many2one("acrel.bill", compute="_compute_bill_id")

    _name_unique = models.Constraint(
        "UNIQUE (name, company_id)", "Another shore connection has this number."
    )
    _one_ship_an_outlet = models.UniqueIndex(
        "(outlet_id) WHERE state IN ('confirmed', 'energised')",
        "Another ship is connected to this outlet. End that connection first.",
    )

    # === COMPUTE === #

    @api.depends("confirmed_at", "cancelled_at", "ended_at", "session_ids.state")
    def _compute_state(self):
        for connection in self:
            states = set(connection.session_ids.mapped("state"))
            connection.running = bool(states & set(LIVE))
            if connection.cancelled_at:
                connection.state = "cancelled"
            elif connection.ended_at:
                connection.state = "ended"
            elif states & {"charging", "stopping"}:
                connection.state = "energised"
            else:
                connection.state = "confirmed" if connection.confirmed_at else "draft"

    # Proposals, each on its own: a value that is given keeps none of the others from being filled.
    @api.depends("outlet_id")
    def _compute_agreed_voltage(self):
        for connection in self:
            connection.agreed_voltage = connection.outlet_id.voltage

    @api.depends("outlet_id")
    def _compute_agreed_frequency(self):
        for connection in self:
            connection.agreed_frequency = connection.outlet_id.frequency

    @api.depends("call_id")
    def _compute_agreed_load(self):
        for connection in self:
            connection.agreed_load = connection.call_id.max_power

    @api.depends("outlet_id")
    def _compute_shore_responsible_id(self):
        for connection in self:
            connection.shore_responsible_id = connection.outlet_id._responsible()

    # The record keeps the names of its time: a ship renamed years later was called otherwise.
    @api.depends("call_id", "ended_at")
    def _compute_record_names(self):
        for connection in self:
            connection.vessel_name = connection.call_id.vessel_id.name
            connection.berth_name = connection.call_id.berth_id.name

    @api.depends("session_ids.start_at", "session_ids.end_at", "session_ids.energy_wh")
    def _compute_record(self):
        for connection in self:
            sessions = connection.session_ids.filtered("start_at")
            ends = sessions.mapped("end_at")
            connection.power_on_at = min(sessions.mapped("start_at"), default=False)
            connection.power_off_at = max(ends) if ends and all(ends) else False
            connection.energy_wh = sum(connection.session_ids.mapped("energy_wh"))

    @api.depends("energy_wh")
    def _compute_energy_kwh(self):
        for connection in self:
            connection.energy_kwh = units.kilo(connection.energy_wh)

    @api.depends("fault_ids.occurred_at", "fault_ids.description", "fault_ids.repaired_at")
    @api.depends_context("lang", "tz")
    def _compute_fault_text(self):
        def local(moment):
            return fields.Datetime.context_timestamp(self, moment).strftime("%Y-%m-%d %H:%M")

        for connection in self:
            lines = []
            for fault in connection.fault_ids.sorted("occurred_at"):
                values = {"time": local(fault.occurred_at), "what": fault.description}
                if fault.repaired_at:
                    lines.append(
                        self.env._(
                            "%(time)s %(what)s, repaired %(repaired)s",
                            repaired=local(fault.repaired_at),
                            **values,
                        )
                    )
                else:
                    lines.append(self.env._("%(time)s %(what)s, not repaired", **values))
            connection.fault_text = "\n".join(lines)

    @api.depends("bill_ids.state")
    def _compute_bill_id(self):
        for connection in self:
            connection.bill_id = connection.bill_ids.filtered(
                lambda bill: bill.state == "posted" and not bill.is_credit
            )[:1]

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        """Number the connections from their company's sequence."""
        connections = super().create(vals_list)
        for connection in connections.filtered(lambda c: c.name == "/"):
            sequence = self.env["ir.sequence"].with_company(connection.company_id)
            connection.name = sequence.next_by_code("acrel.shore.connection")
        return connections

    def write(self, vals):
        """Keep what was confirmed: the checklist changes only in a draft."""
        changed = FROZEN & set(vals)
        for connection in self:
            if changed and connection.state != "draft":
                raise UserError(
                    self.env._(
                        "%(connection)s is confirmed. Reset it to draft before changing what was"
                        " checked, as long as no ship is supplied.",
                        connection=connection.name,
                    )
                )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_keep_record(self):
        kept_since = fields.Datetime.now() - relativedelta(years=RECORD_YEARS)
        for connection in self:
            if connection.state in ("draft", "cancelled"):
                continue
            if not connection.ended_at or connection.ended_at > kept_since:
                raise UserError(
                    self.env._(
                        "%(connection)s belongs to the shore power record, which is kept at least"
                        " %(years)s years after the end.",
                        connection=connection.name,
                        years=RECORD_YEARS,
                    )
                )

    # === ACTIONS === #

    def action_confirm(self):
        """Confirm that everything before energising was checked."""
        for connection in self:
            connection._expect_state("draft")
            connection._check_ready()
            connection._check_match()
            connection.write(
                {"confirmed_at": fields.Datetime.now(), "confirmed_by_id": self.env.uid}
            )

    def action_draft(self):
        """Take a confirmation back as long as no session runs."""
        for connection in self:
            connection._expect_state("confirmed")
            connection._check_not_running()
            connection.write({"confirmed_at": False, "confirmed_by_id": False})
            connection.write(
                {
                    "parameters_shore": False,
                    "parameters_ship": False,
                    "cable_connected": False,
                    "interlock_ok": False,
                }
            )

    def action_cancel(self):
        """Cancel a connection that never supplied."""
        for connection in self:
            if connection.state not in ("draft", "confirmed") or connection.power_on_at:
                raise UserError(
                    self.env._(
                        "%(connection)s has supplied a ship or has ended; it cannot be cancelled."
                        " End it instead.",
                        connection=connection.name,
                    )
                )
            connection._check_not_running()
            connection.cancelled_at = fields.Datetime.now()

    def action_end(self):
        """End the connection and bill the agent."""
        for connection in self:
            connection.lock_for_update()
            connection.invalidate_recordset()
            connection._check_not_running()
            connection._expect_state("confirmed")
            if not connection.power_on_at:
                raise UserError(
                    self.env._(
                        "%(connection)s has never supplied. Cancel it instead of ending it.",
                        connection=connection.name,
                    )
                )
            connection.write({"ended_at": fields.Datetime.now(), "ended_by_id": self.env.uid})
            connection._settle()
