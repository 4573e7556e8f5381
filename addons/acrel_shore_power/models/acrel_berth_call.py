"""A ship's stay at a berth."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .acrel_vessel import FREQUENCIES


class AcrelBerthCall(models.Model):
    """One vessel at one berth, from expected to departed."""

    _name = "acrel.berth.call"
    _description = "Berth Call"
    _inherit = ["portal.mixin", "mail.thread", "mail.activity.mixin"]
    _order = "begin_at desc, id desc"
    _check_company_auto = True

    name = fields.Char("Number", readonly=True, copy=False, default="/", index="trigram")
    state = fields.Selection(
        [
            ("expected", "Expected"),
            ("alongside", "Alongside"),
            ("departed", "Departed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        copy=False,
        default="expected",
        index=True,
        tracking=True,
        group_expand=True,
    )
    vessel_id = fields.Many2one(
        "acrel.vessel", required=True, index=True, ondelete="restrict", tracking=True
    )
    berth_id = fields.Many2one(
        "acrel.berth",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    station_id = fields.Many2one(related="berth_id.station_id", store=True, index=True)
    company_id = fields.Many2one(related="berth_id.company_id", store=True, index=True)
    agent_id = fields.Many2one(
        "res.partner",
        "Ship's Agent",
        compute="_compute_agent_id",
        store=True,
        readonly=False,
        check_company=True,
        index=True,
        tracking=True,
        help="Pays for the shore power of this call.",
    )
    voyage = fields.Char()
    note = fields.Html()

    # === TIMES === #
    expected_arrival = fields.Datetime(required=True, tracking=True)
    expected_departure = fields.Datetime(required=True, tracking=True)
    arrived_at = fields.Datetime("Berthed", copy=False, tracking=True)
    departed_at = fields.Datetime("Departure", copy=False, tracking=True)
    begin_at = fields.Datetime("From", compute="_compute_span", store=True, index=True)
    end_at = fields.Datetime("To", compute="_compute_span", store=True)

    # === DECLARATION BEFORE BERTHING === #
    equipped = fields.Boolean(
        "Receiving Equipment",
        compute="_compute_equipped",
        store=True,
        readonly=False,
        tracking=True,
        help="Declared by the ship before berthing (Measures on shore power, Art. 14).",
    )
    voltage = fields.Integer(
        "Voltage (V)", compute="_compute_voltage", store=True, readonly=False, tracking=True
    )
    frequency = fields.Selection(
        FREQUENCIES, compute="_compute_frequency", store=True, readonly=False, tracking=True
    )
    max_power = fields.Float(
        "Largest Load (kW)",
        digits=(9, 1),
        compute="_compute_max_power",
        store=True,
        readonly=False,
    )
    declared_at = fields.Datetime("Declared", copy=False, tracking=True)
    declared_by = fields.Char(copy=False, tracking=True, help="Who declared it for the ship.")
    declaration = fields.Selection(
        [("missing", "Missing"), ("in_time", "Before berthing"), ("late", "After berthing")],
        compute="_compute_declaration",
        store=True,
    )

    # === SHORE POWER === #
    connection_ids = fields.One2many("acrel.shore.connection", "call_id", "Shore Connections")
    energy_kwh = fields.Float(
        "Energy (kWh)", digits=(12, 2), compute="_compute_energy_kwh", compute_sudo=True
    )

    _name_unique = models.Constraint(
        "UNIQUE (name, company_id)", "Another berth call has this number."
    )
    _alongside_once = models.UniqueIndex(
        "(vessel_id) WHERE state = 'alongside'",
        "This vessel is alongside in another call. Let it depart there first.",
    )
    _expected_in_order = models.Constraint(
        "CHECK (expected_departure > expected_arrival)",
        "The expected departure must be after the expected arrival.",
    )
    _actual_in_order = models.Constraint(
        "CHECK (departed_at IS NULL OR departed_at >= arrived_at)",
        "A ship cannot depart before it has berthed.",
    )

    # === COMPUTE === #

    @api.depends("vessel_id")
    def _compute_agent_id(self):
        for call in self:
            vessel = call.vessel_id.with_company(call.company_id or self.env.company)
            call.agent_id = vessel.agent_id

    # Only the choice of the vessel fills the declaration: a later change of its master data must
    # not rewrite what was declared for this call. Each value on its own, so that one that is given
    # keeps none of the others from being filled.
    @api.depends("vessel_id")
    def _compute_equipped(self):
        for call in self:
            call.equipped = call.vessel_id.equipped

    @api.depends("vessel_id")
    def _compute_voltage(self):
        for call in self:
            call.voltage = call.vessel_id.voltage

    @api.depends("vessel_id")
    def _compute_frequency(self):
        for call in self:
            call.frequency = call.vessel_id.frequency

    @api.depends("vessel_id")
    def _compute_max_power(self):
        for call in self:
            call.max_power = call.vessel_id.max_power

    @api.depends("declared_at", "arrived_at")
    def _compute_declaration(self):
        for call in self:
            if not call.declared_at:
                call.declaration = "missing"
            elif call.arrived_at and call.declared_at > call.arrived_at:
                call.declaration = "late"
            else:
                call.declaration = "in_time"

    @api.depends("expected_arrival", "expected_departure", "arrived_at", "departed_at")
    def _compute_span(self):
        for call in self:
            call.begin_at = call.arrived_at or call.expected_arrival
            call.end_at = call.departed_at or call.expected_departure

    @api.depends("connection_ids.energy_wh")
    def _compute_energy_kwh(self):
        for call in self:
            call.energy_kwh = sum(call.connection_ids.mapped("energy_wh")) / 1000

    def _compute_access_url(self):
        result = super()._compute_access_url()
        for call in self:
            call.access_url = f"/my/berth-calls/{call.id}"
        return result

    # === CONSTRAINTS === #

    @api.constrains("agent_id")
    def _check_agent(self):
        for call in self:
            payers = call.sudo().connection_ids.session_ids.mapped("payer_id")
            if payers - call.agent_id:
                raise ValidationError(
                    self.env._(
                        "The ship of %(call)s was already supplied for %(payer)s. End that"
                        " connection and open another call for the new agent.",
                        call=call.name,
                        payer=payers[0].display_name,
                    )
                )

    @api.constrains("vessel_id", "berth_id")
    def _check_not_connected(self):
        for call in self:
            outlets = call.connection_ids.filtered(lambda c: c.state != "cancelled").outlet_id
            if outlets.berth_id - call.berth_id:
                raise ValidationError(
                    self.env._(
                        "%(call)s has a shore connection at %(berth)s. A ship that shifts to"
                        " another berth gets another call there.",
                        call=call.name,
                        berth=outlets.berth_id[:1].display_name,
                    )
                )

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        """Number the calls from their company's sequence."""
        calls = super().create(vals_list)
        for call in calls.filtered(lambda call: call.name == "/"):
            sequence = self.env["ir.sequence"].with_company(call.company_id)
            call.name = sequence.next_by_code("acrel.berth.call")
        return calls

    @api.ondelete(at_uninstall=False)
    def _unlink_only_expected(self):
        for call in self:
            if call.state in ("alongside", "departed"):
                raise UserError(
                    self.env._(
                        "%(call)s belongs to the shore power record and cannot be deleted.",
                        call=call.name,
                    )
                )

    # === ACTIONS === #

    def action_declare(self):
        """Note that the ship has declared its receiving equipment now."""
        for call in self:
            if call.state not in ("expected", "alongside"):
                raise UserError(
                    self.env._("%(call)s has ended; nothing can be declared.", call=call.name)
                )
            if call.equipped and not (call.voltage and call.frequency and call.max_power):
                raise UserError(
                    self.env._(
                        "Enter the voltage, the frequency and the largest load that %(vessel)s"
                        " declares.",
                        vessel=call.vessel_id.name,
                    )
                )
            call.declared_at = fields.Datetime.now()
            call.declared_by = call.declared_by or self.env.user.name

    def action_berth(self):
        """Note that the ship has berthed."""
        for call in self:
            call._expect_state("expected")
            call.write(
                {"state": "alongside", "arrived_at": call.arrived_at or fields.Datetime.now()}
            )

    def action_depart(self):
        """Note that the ship has left; its connections must have ended."""
        for call in self:
            call._expect_state("alongside")
            running = call.connection_ids.filtered(lambda c: c.state in ("confirmed", "energised"))
            if running:
                raise UserError(
                    self.env._(
                        "%(vessel)s is still connected: end %(connection)s before it departs.",
                        vessel=call.vessel_id.name,
                        connection=running[0].name,
                    )
                )
            call.connection_ids.filtered(lambda c: c.state == "draft").action_cancel()
            call.write(
                {"state": "departed", "departed_at": call.departed_at or fields.Datetime.now()}
            )

    def action_cancel(self):
        """Cancel a call whose ship does not come."""
        for call in self:
            call._expect_state("expected")
            call.connection_ids.filtered(lambda c: c.state == "draft").action_cancel()
            call.state = "cancelled"

    def action_connect(self):
        """Open a new shore connection of this call."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.shore.connection",
            "views": [[False, "form"]],
            "context": {"default_call_id": self.id},
        }

    def _expect_state(self, state):
        """Refuse a step that does not follow on the call's state."""
        self.ensure_one()
        if self.state != state:
            names = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(call)s is %(state)s; this step needs a call that is %(needed)s.",
                    call=self.name,
                    state=names[self.state],
                    needed=names[state],
                )
            )
