"""What a ship at berth owes in shore power."""

from odoo import api, fields, models

from ..obligation import BOUND, ENCOURAGED, EXEMPT, NOT_BOUND, UNKNOWN, Facts, assess

EXEMPTIONS = [
    ("ship_fault", "Temporary fault on the ship"),
    ("berth_fault", "Temporary fault on the berth"),
    ("weather", "Bad weather"),
    ("emergency", "Accident or other emergency"),
    ("alternative", "Effective alternative measure in use"),
]


class AcrelBerthCall(models.Model):
    """The duty of a call to use shore power, and whether it was met."""

    _inherit = "acrel.berth.call"

    stay_hours = fields.Float(
        "Stay (h)", digits=(9, 2), compute="_compute_stay", store=True, aggregator="sum"
    )
    exemption = fields.Selection(
        EXEMPTIONS,
        copy=False,
        tracking=True,
        help="What excuses a ship that would have to use shore power (Art. 11).",
    )
    exemption_note = fields.Text("Circumstances", copy=False)
    obligation = fields.Selection(
        [
            (BOUND, "Must use shore power"),
            (EXEMPT, "Excused"),
            (ENCOURAGED, "Encouraged"),
            (NOT_BOUND, "Not bound"),
            (UNKNOWN, "No rule"),
        ],
        "Duty",
        compute="_compute_obligation",
        store=True,
        help="Measures on shore power for ports and ships, Art. 11, with the limits configured"
        " under Duties.",
    )
    rule_id = fields.Many2one(
        "acrel.shore.rule", compute="_compute_obligation", store=True, ondelete="set null"
    )
    because = fields.Char(compute="_compute_obligation", store=True)
    limit_hours = fields.Float(
        "Limit (h)", digits=(6, 2), compute="_compute_obligation", store=True, aggregator=None
    )
    obligation_reason = fields.Char("Reason", compute="_compute_obligation_reason")
    unused = fields.Boolean(
        "Bound, Not Connected",
        compute="_compute_unused",
        search="_search_unused",
        compute_sudo=True,
        help="The ship must use shore power and has not used any: such a call has to be reported.",
    )

    @api.depends("state", "begin_at", "end_at")
    def _compute_stay(self):
        now = fields.Datetime.now()
        for call in self:
            call.stay_hours = call._stay_seconds(now) / 3600

    def _stay_seconds(self, now):
        """Return the stay in whole seconds; a ship that overstays counts until now."""
        self.ensure_one()
        end = self.end_at
        if self.state == "alongside" and end and end < now:
            end = now
        if not (self.begin_at and end):
            return 0
        return max(0, int((end - self.begin_at).total_seconds()))

    # What vessels, berths, outlets and rules become later must not rewrite past calls: they reach
    # the open ones through _assess_open.
    @api.depends("vessel_id", "berth_id", "equipped", "stay_hours", "exemption")
    def _compute_obligation(self):
        now = fields.Datetime.now()
        for call in self:
            rule = self.env["acrel.shore.rule"]._for_call(call)
            outcome, because = assess(
                Facts(
                    liquid_cargo=call.vessel_id.liquid_cargo,
                    equipped=call.equipped,
                    berth_able=call.berth_id.supply_able,
                    stay_seconds=call._stay_seconds(now),
                    limit_seconds=round(rule.min_stay * 3600) if rule else None,
                    excused=bool(call.exemption),
                )
            )
            call.rule_id = rule
            call.limit_hours = rule.min_stay
            call.obligation = outcome
            call.because = because

    @api.depends("because", "limit_hours", "stay_hours", "rule_id", "vessel_id", "berth_id")
    def _compute_obligation_reason(self):
        for call in self:
            call.obligation_reason = call.because and call._reason(call.because)

    def _reason(self, because):
        """Return the sentence that explains the outcome."""
        rule = self.rule_id.sudo()
        values = {
            "vessel": self.vessel_id.name or "",
            "berth": self.berth_id.name or "",
            "stay": f"{self.stay_hours:.1f}",
            "limit": f"{self.limit_hours:g}",
            "excuse": dict(self._fields["exemption"]._description_selection(self.env)).get(
                self.exemption, ""
            ),
        }
        sentences = {
            "liquid_cargo": self.env._("%(vessel)s carries liquid cargo.", **values),
            "not_equipped": self.env._("%(vessel)s has no receiving equipment.", **values),
            "berth_unable": self.env._("%(berth)s has no shore power outlet in use.", **values),
            "no_rule": self.env._("No duty is configured for these waters; add one under Duties."),
            "short_stay": self.env._(
                "The stay of %(stay)s h is not longer than %(limit)s h.", **values
            ),
            "excused": self.env._(
                "The stay of %(stay)s h is longer than %(limit)s h; excused: %(excuse)s.", **values
            ),
            "long_stay": self.env._(
                "The stay of %(stay)s h is longer than %(limit)s h and the ship is equipped.",
                **values,
            ),
        }
        if because in ("short_stay", "excused", "long_stay") and rule.legal_basis:
            return self.env._(
                "%(reason)s (%(basis)s)", reason=sentences[because], basis=rule.legal_basis
            )
        return sentences[because]

    @api.depends("obligation", "state", "connection_ids.power_on_at")
    def _compute_unused(self):
        for call in self:
            call.unused = (
                call.obligation == BOUND
                and call.state in ("alongside", "departed")
                and not any(call.connection_ids.mapped("power_on_at"))
            )

    @api.model
    def _search_unused(self, operator, value):
        if operator != "in":
            return NotImplemented
        unused = [
            ("obligation", "=", BOUND),
            ("state", "in", ["alongside", "departed"]),
            ("connection_ids", "not any", [("power_on_at", "!=", False)]),
        ]
        return unused if True in value else ["!", "&", "&", *unused]

    def _assess(self):
        """Compute stay and duty of these calls anew."""
        for name in ("stay_hours", "obligation", "because", "limit_hours", "rule_id"):
            self.env.add_to_compute(self._fields[name], self)

    @api.model
    def _assess_open(self, domain=()):
        """Let changed facts reach the calls that have not ended."""
        self.sudo().search([("state", "in", ["expected", "alongside"]), *domain])._assess()

    @api.model
    def _cron_overstay(self):
        """Let the duty follow ships that stay longer than expected."""
        self._assess_open([("state", "=", "alongside"), ("end_at", "<", fields.Datetime.now())])
