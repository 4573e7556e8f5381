"""Connection identities."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..acrel_link.lan_address import LAN_CHANNELS, is_private

# A process that did not refresh its row for this long is dead; it does so every few seconds.
WORKER_DEAD_SECONDS = 30


class AcrelLink(models.Model):
    """An identity that may connect: one wireless module with the meters behind it."""

    _name = "acrel.link"
    _description = "Meter Link"
    _inherit = ["acrel.link.notify", "mail.thread"]
    _order = "name, id"
    _check_company_auto = True
    _WAY = ("serial", "channel", "address")

    name = fields.Char(required=True, tracking=True)
    serial = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="Serial number that the wireless module sends when it registers: 1 to 20 letters or "
        "digits, as printed on the meter. Of a bus: that of its serial server.",
    )
    active = fields.Boolean(
        default=True,
        help="An archived link is refused, as if its serial number were unknown.",
    )
    channel = fields.Selection(
        [
            ("plain", "Plain (private network only)"),
            ("modbus_tcp", "Modbus TCP (private network only)"),
            ("modbus_rtu_tcp", "Modbus RTU over TCP (private network only)"),
        ],
        required=True,
        default="plain",
        help="How the connection is protected. Plain frames carry neither key nor cipher: only "
        "for loopback and for addresses that the link process lists. With Modbus the link process "
        "connects to a serial server and asks the meters on its bus.",
    )
    address = fields.Char(
        copy=False,
        tracking=True,
        help="IP address and port of the serial server, such as 192.168.1.50:502. Modbus encrypts "
        "nothing and knows nobody: only in a private network that no stranger reaches.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    meter_ids = fields.One2many("acrel.meter", "link_id", string="Meters")
    meter_count = fields.Integer(compute="_compute_meter_count")

    online = fields.Boolean(
        compute="_compute_live",
        search="_search_online",
        help="A living link process holds a connection of this serial number now.",
    )
    connected_at = fields.Datetime(compute="_compute_live", string="Connected Since")
    last_seen_at = fields.Datetime(
        compute="_compute_live", string="Last Seen", help="When the last frame arrived."
    )
    closed_at = fields.Datetime(compute="_compute_live", string="Disconnected At")
    peer = fields.Char(compute="_compute_live", string="Network Address")
    iccid = fields.Char(compute="_compute_live", string="SIM Card (ICCID)")
    firmware = fields.Char(compute="_compute_live")
    rssi = fields.Integer(compute="_compute_live", string="Signal (RSSI)", aggregator=None)
    upload_minutes = fields.Integer(
        compute="_compute_live",
        string="Upload Interval (min)",
        aggregator=None,
        help="How often the meter uploads by itself, as it told when it registered.",
    )

    _serial_unique = models.Constraint(
        "UNIQUE (serial)", "A link with this serial number already exists, perhaps archived."
    )
    _serial_form = models.Constraint(
        "CHECK (serial ~ '^[0-9A-Za-z]{1,20}$')",
        "A serial number has 1 to 20 letters or digits and nothing else.",
    )

    _address_unique = models.UniqueIndex(
        "(address) WHERE active AND address IS NOT NULL",
        "Another link polls this address already: all meters on one bus stand behind one link.",
    )

    @api.constrains("channel", "address")
    def _check_address(self):
        """A bus has an address of the private network, and nothing else has one."""
        for link in self:
            if link.channel not in LAN_CHANNELS:
                if link.address:
                    raise ValidationError(
                        self.env._(
                            "Link %(link)s has an address, but its module connects by itself. "
                            "Remove the address, or choose Modbus.",
                            link=link.display_name,
                        )
                    )
            elif not is_private(link.address or ""):
                raise ValidationError(
                    self.env._(
                        "Link %(link)s needs the address of its serial server: an IP address of a "
                        "private network and a port, such as 192.168.1.50:502.",
                        link=link.display_name,
                    )
                )

    def _outputs_behind(self):
        """Override to return the outputs of the meters behind these links."""
        meters = self.env["acrel.meter"].search(
            [("link_id", "in", self.ids), ("active", "=", True)]
        )
        return meters._outputs_behind()

    def _compute_meter_count(self):
        """Count the meters behind each link."""
        counts = dict(
            self.env["acrel.meter"]._read_group(
                [("link_id", "in", self.ids)], ["link_id"], ["__count"]
            )
        )
        for link in self:
            link.meter_count = counts.get(link, 0)

    def _compute_live(self):
        """Show what the link process wrote about the connections."""
        self.env.cr.execute(
            SQL(
                """SELECT l.link_id, %s AS online, l.connected_at, l.seen_at, l.closed_at,
                          l.peer, l.iccid, l.firmware, l.rssi, l.upload_minutes
                     FROM acrel_link_live l
                LEFT JOIN acrel_link_worker w ON w.id = l.worker_id
                    WHERE l.link_id = ANY(%s)""",
                self._sql_online(),
                self.ids,
            )
        )
        live = {row["link_id"]: row for row in self.env.cr.dictfetchall()}
        for link in self:
            row = live.get(link._origin.id, {})
            link.online = row.get("online", False)
            link.connected_at = row.get("connected_at")
            link.last_seen_at = row.get("seen_at")
            link.closed_at = row.get("closed_at")
            link.peer = row.get("peer")
            link.iccid = row.get("iccid")
            link.firmware = row.get("firmware")
            link.rssi = row.get("rssi")
            link.upload_minutes = row.get("upload_minutes")

    @api.model
    def _sql_online(self):
        """Whether row ``l`` of acrel_link_live, held by worker ``w``, is a living connection."""
        return SQL(
            """(l.online AND (l.worker_id IS NULL OR (w.stopped_at IS NULL AND w.seen_at
                > now() AT TIME ZONE 'UTC' - %s * interval '1 second')))""",
            WORKER_DEAD_SECONDS,
        )

    def _search_online(self, operator, value):
        """Find links with a living connection now."""
        if operator != "in":
            return NotImplemented
        online = SQL(
            """(SELECT l.link_id FROM acrel_link_live l
                LEFT JOIN acrel_link_worker w ON w.id = l.worker_id WHERE %s)""",
            self._sql_online(),
        )
        return [("id", "in" if True in value else "not in", online)]

    def action_meters(self):
        """Open the meters behind the link."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_meter")
        action["domain"] = [("link_id", "=", self.id)]
        action["context"] = {"default_link_id": self.id, "default_company_id": self.company_id.id}
        return action
