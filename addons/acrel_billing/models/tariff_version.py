"""Versions of a tariff: prices from a moment on, frozen once they are active."""

from decimal import Decimal

from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError

from .. import acrel_pricing as pricing

FROZEN = {"tariff_id", "valid_from", "period_ids"}


class AcrelTariffVersion(models.Model):
    """Periods that cover the local day exactly once, in force from a moment on."""

    _name = "acrel.tariff.version"
    _description = "Charging Tariff Version"
    _order = "tariff_id, valid_from desc, id desc"
    _check_company_auto = True

    tariff_id = fields.Many2one(
        "acrel.tariff", required=True, index=True, ondelete="cascade", check_company=True
    )
    company_id = fields.Many2one(related="tariff_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    valid_from = fields.Datetime(
        required=True,
        default=fields.Datetime.now,
        help="Sessions that start from then on are priced by this version until the next one.",
    )
    state = fields.Selection(
        [("draft", "Draft"), ("active", "Active"), ("archived", "Archived")],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
    )
    note = fields.Char(help="Why the prices changed; for the company only.")
    period_ids = fields.One2many("acrel.tariff.period", "version_id", string="Periods", copy=True)
    coverage_message = fields.Text(compute="_compute_coverage_message")
    day_bar = fields.Html(compute="_compute_day_bar", sanitize=False, string="Prices of the Day")
    price_range = fields.Char(compute="_compute_price_range")
    session_count = fields.Integer(compute="_compute_session_count", string="Sessions")

    _one_active_at_a_time = models.UniqueIndex(
        "(tariff_id, valid_from) WHERE state = 'active'",
        "Another active version of this tariff begins at the same moment.",
    )

    @api.depends("tariff_id.name", "valid_from")
    @api.depends_context("tz")
    def _compute_display_name(self):
        """Name a version by its tariff and beginning."""
        for version in self:
            begin = version.valid_from and fields.Datetime.context_timestamp(
                version, version.valid_from
            )
            version.display_name = self.env._(
                "%(tariff)s, from %(begin)s",
                tariff=version.tariff_id.name or "",
                begin=f"{begin:%Y-%m-%d %H:%M}" if begin else "",
            )

    @api.depends("period_ids.start_minute", "period_ids.end_minute")
    @api.depends_context("lang")
    def _compute_coverage_message(self):
        """Say which minutes of the day have no price, or two."""
        for version in self:
            version.coverage_message = "\n".join(version._coverage_sentences()) or False

    @api.depends(
        "period_ids.start_minute",
        "period_ids.end_minute",
        "period_ids.kind",
        "period_ids.electricity_price",
        "period_ids.service_price",
    )
    @api.depends_context("lang")
    def _compute_day_bar(self):
        """Draw the day from 00:00 to 24:00."""
        for version in self:
            version.day_bar = self.env["ir.qweb"]._render(
                "acrel_billing.tariff_day_bar", {"segments": version._segments()}
            )

    @api.depends("period_ids.electricity_price", "period_ids.service_price")
    def _compute_price_range(self):
        """Show the lowest and the highest price of a kWh."""
        for version in self:
            totals = [period._decimal_total() for period in version.period_ids]
            ends = sorted({min(totals), max(totals)}) if totals else []
            version.price_range = " – ".join(f"{price:.4f}" for price in ends)

    def _compute_session_count(self):
        """Count the sessions that are priced by each version."""
        counts = dict(
            self.env["acrel.session"]._read_group(
                [("tariff_version_id", "in", self.ids)], ["tariff_version_id"], ["__count"]
            )
        )
        for version in self:
            version.session_count = counts.get(version, 0)

    @api.constrains("state", "period_ids")
    def _check_coverage(self):
        """Let no version become active that leaves a minute without exactly one price."""
        for version in self.filtered(lambda version: version.state == "active"):
            sentences = version._coverage_sentences()
            if sentences:
                raise ValidationError("\n".join([version.display_name, *sentences]))

    def _coverage_sentences(self):
        """Return what keeps the periods from covering the day, one sentence each."""
        words = {
            "gap": self.env._("No period covers %s: add one or stretch a neighbour."),
            "overlap": self.env._("Two periods cover %s: shorten one of them."),
            "range": self.env._(
                "A period runs %s: it must end after its start, within 00:00 to 24:00."
            ),
        }
        found = pricing.faults(
            (period.start_minute, period.end_minute) for period in self.period_ids
        )
        return [
            words[fault.kind] % f"{pricing.clock(fault.start)}–{pricing.clock(fault.end)}"
            for fault in found
        ]

    def _segments(self, moment=None, tz=None):
        """Return the periods for a picture or a table; `moment` marks the one in force then."""
        self.ensure_one()
        kinds = dict(self.period_ids._fields["kind"]._description_selection(self.env))
        now = pricing.period_of(moment, self._priced(), tz).start if moment else None
        return [
            {
                "kind": period.kind,
                "label": kinds.get(period.kind),
                "begin": pricing.clock(period.start_minute),
                "end": pricing.clock(period.end_minute),
                "electricity": f"{period._decimal('electricity_price'):.4f}",
                "service": f"{period._decimal('service_price'):.4f}",
                "total": f"{period._decimal_total():.4f}",
                "percent": round((period.end_minute - period.start_minute) / 14.4, 3),
                "current": period.start_minute == now,
            }
            for period in self.period_ids.sorted("start_minute")
        ]

    @tools.ormcache("self.id")
    def _priced(self):
        """Return the version as the pricing package takes it; tax is shared out on the bill.

        A version that is no draft never changes, so that each process works it out once.
        """
        self.ensure_one()
        return pricing.TariffVersion(
            tuple(period._priced() for period in self.period_ids), Decimal(0), Decimal(0)
        )

    # === life ===

    def write(self, vals):
        """Keep what sessions are priced by as it was when they started."""
        if not FROZEN.isdisjoint(vals):
            self._check_draft()
        if "state" in vals:
            self.env.registry.clear_cache()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft_only(self):
        """Keep versions that have been in force."""
        self._check_draft()

    def _check_draft(self):
        """Say why the periods of a version that is or was in force stay as they are."""
        for version in self:
            if version.state != "draft":
                raise UserError(
                    self.env._(
                        "%(version)s is in force or was: its prices stay as they are. Use “New "
                        "Version” to change them from a moment on.",
                        version=version.display_name,
                    )
                )

    def action_activate(self):
        """Put complete versions in force from their moment on."""
        for version in self:
            if version.state != "draft":
                raise UserError(self.env._("%s is no draft.", version.display_name))
            if version.currency_id.decimal_places != 2:
                raise UserError(
                    self.env._(
                        "Charging is billed in hundredths; %(currency)s of %(company)s has "
                        "%(places)s decimal places.",
                        currency=version.currency_id.name,
                        company=version.company_id.name,
                        places=version.currency_id.decimal_places,
                    )
                )
            version._check_moment_free()
            version.state = "active"

    def _check_moment_free(self):
        """Refuse a second active version of the tariff that begins at the same moment."""
        same = self.tariff_id.version_ids.filtered(
            lambda other: other.state == "active" and other.valid_from == self.valid_from
        )
        if same:
            raise UserError(
                self.env._(
                    "Another active version of this tariff begins at the same moment. Archive it "
                    "or choose another beginning."
                )
            )

    def action_reset_to_draft(self):
        """Take back an activation that no session has been priced by."""
        sessions = self.env["acrel.session"].sudo()
        for version in self:
            if count := sessions.search_count([("tariff_version_id", "=", version.id)]):
                raise UserError(
                    self.env._(
                        "%(version)s has priced %(count)s sessions and stays as it is. Use “New "
                        "Version” instead.",
                        version=version.display_name,
                        count=count,
                    )
                )
            version.state = "draft"

    def action_archive_version(self):
        """Take versions out of force; what they have priced keeps them."""
        self.filtered(lambda version: version.state == "active").state = "archived"

    def action_new_version(self):
        """Open a draft that begins as a copy of this version."""
        self.ensure_one()
        return self.copy({"valid_from": fields.Datetime.now()})._action_form()

    def _action_form(self):
        """Return the action that shows this version."""
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_view_sessions(self):
        """Open the sessions that this version has priced."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_charging.acrel_session_action"
        )
        return {**action, "domain": [("tariff_version_id", "=", self.id)], "context": {}}
