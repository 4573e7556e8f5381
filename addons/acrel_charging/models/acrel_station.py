"""A place where vehicles charge: the piles of one address."""

from urllib.parse import quote

from odoo import api, fields, models

from odoo.addons.base.models.res_partner import _tz_get

MAP_URL = (
    "https://uri.amap.com/marker?position={longitude},{latitude}&name={name}"
    "&coordinate=wgs84&callnative=1"
)


class AcrelStation(models.Model):
    """Charging station with its address, its position and its piles."""

    _name = "acrel.station"
    _description = "Charging Station"
    _inherit = ["mail.thread", "mail.activity.mixin", "image.mixin"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    code = fields.Char(
        required=True, copy=False, tracking=True, help="Short code that is unique in a company."
    )
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    responsible_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        domain=[("share", "=", False)],
        check_company=True,
        tracking=True,
        help="The person who is called when the software may not decide by itself.",
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Site Owner",
        check_company=True,
        help="Who owns the site, where it is not the company itself.",
    )
    street = fields.Char()
    street2 = fields.Char()
    zip = fields.Char(string="ZIP")
    city = fields.Char()
    state_id = fields.Many2one(
        "res.country.state", string="Province", domain="[('country_id', '=?', country_id)]"
    )
    country_id = fields.Many2one("res.country", default=lambda self: self.env.company.country_id)
    address = fields.Char(compute="_compute_address")
    latitude = fields.Float(digits=(9, 6), help="Degrees north in WGS 84.")
    longitude = fields.Float(digits=(9, 6), help="Degrees east in WGS 84.")
    map_url = fields.Char(compute="_compute_map_url")
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default="Asia/Shanghai",
        help="Periods of the day and days of the accounts follow this clock.",
    )
    opening_text = fields.Char(string="Opening Hours", translate=True)
    portal_published = fields.Boolean(string="Shown to Drivers", default=True, tracking=True)
    pile_ids = fields.One2many("acrel.pile", "station_id", string="Piles")
    pile_count = fields.Integer(compute="_compute_pile_counts")
    available_count = fields.Integer(compute="_compute_pile_counts")
    live_count = fields.Integer(string="Charging Now", compute="_compute_pile_counts")

    _code_unique = models.Constraint(
        "UNIQUE (company_id, code)", "A station with this code exists already in this company."
    )
    _latitude_range = models.Constraint(
        "CHECK (latitude BETWEEN -90 AND 90)", "A latitude lies between -90 and 90 degrees."
    )
    _longitude_range = models.Constraint(
        "CHECK (longitude BETWEEN -180 AND 180)", "A longitude lies between -180 and 180 degrees."
    )

    @api.depends("street", "street2", "city", "state_id", "country_id")
    @api.depends_context("lang")
    def _compute_address(self):
        """Join what is known of the address in one line, the largest area first, as in China."""
        for station in self:
            parts = (station.state_id.name, station.city, station.street, station.street2)
            station.address = " ".join(part for part in parts if part)

    @api.depends("latitude", "longitude", "name")
    def _compute_map_url(self):
        """Give the address that opens the position in a map application."""
        template = (
            self.env["ir.config_parameter"].sudo().get_param("acrel_charging.map_url") or MAP_URL
        )
        for station in self:
            if not station.latitude and not station.longitude:
                station.map_url = False
                continue
            station.map_url = template.format(
                latitude=f"{station.latitude:.6f}",
                longitude=f"{station.longitude:.6f}",
                name=quote(station.name or ""),
            )

    @api.depends("pile_ids.state")
    def _compute_pile_counts(self):
        """Count the piles by what a driver can do with them."""
        for station in self:
            states = station.pile_ids.mapped("state")
            station.pile_count = len(states)
            station.available_count = states.count("available")
            station.live_count = sum(
                state in ("starting", "charging", "stopping") for state in states
            )

    def action_view_piles(self):
        """Open the piles of the station."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_charging.acrel_pile_action")
        return {
            **action,
            "domain": [("station_id", "=", self.id)],
            "context": {"default_station_id": self.id},
        }

    def action_view_sessions(self):
        """Open the sessions of the station."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_charging.acrel_session_action"
        )
        return {**action, "domain": [("station_id", "=", self.id)], "context": {}}
