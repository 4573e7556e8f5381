"""The keys of a link."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# A next key that the meter did not store by then becomes a person's task; it does not expire.
ROTATION_DAYS = 7

_STATES = SQL(
    """SELECT l.id, CASE WHEN bool_or(k.state = 'next') THEN 'rotating'
                         WHEN bool_or(k.boot_counter > 0) THEN 'used'
                         WHEN count(k.id) > 0 THEN 'issued' ELSE 'none' END AS state
         FROM acrel_link l LEFT JOIN acrel_link_key k
           ON k.link_id = l.id AND k.serial = l.serial AND k.wrapped IS NOT NULL
        GROUP BY l.id"""
)


class AcrelLink(models.Model):
    """Keys and certificates of a link, and the tasks that come of them."""

    _name = "acrel.link"
    _inherit = ["acrel.link", "mail.activity.mixin"]

    key_ids = fields.One2many(
        "acrel.link.key", "link_id", string="Keys", groups="acrel_meter_link.group_key_officer"
    )
    certificate_ids = fields.One2many(
        "acrel.link.certificate",
        "link_id",
        string="Certificates",
        groups="acrel_meter_link.group_key_officer",
    )
    key_state = fields.Selection(
        [
            ("none", "No Key"),
            ("issued", "Not Used Yet"),
            ("used", "In Use"),
            ("rotating", "Being Rotated"),
        ],
        string="Key",
        compute="_compute_key_state",
        search="_search_key_state",
    )

    bound_iccid = fields.Char(
        "Bound to SIM Card",
        compute="_compute_bound_iccid",
        help="The card of the first contact. Another one is an event until it is accepted.",
    )
    sim_changed = fields.Boolean(compute="_compute_bound_iccid")

    def _compute_bound_iccid(self):
        """Show which SIM card each link is bound to."""
        self.env.cr.execute(
            SQL(
                "SELECT link_id, bound_iccid FROM acrel_link_live WHERE link_id = ANY(%s)", self.ids
            )
        )
        bound = dict(self.env.cr.fetchall())
        for link in self:
            link.bound_iccid = bound.get(link._origin.id)
            link.sim_changed = bool(link.bound_iccid) and link.bound_iccid != link.iccid

    def action_accept_sim(self):
        """Order that the card of the last registration is the link's from now on."""
        return self.env["acrel.key.job"]._ask("accept_sim", self)._action_open()

    def _compute_key_state(self):
        """Show which keys of each link can be used."""
        self.env.cr.execute(
            SQL("SELECT id, state FROM (%s) s WHERE id = ANY(%s)", _STATES, self.ids)
        )
        states = dict(self.env.cr.fetchall())
        for link in self:
            link.key_state = states.get(link._origin.id, "none")

    def _search_key_state(self, operator, value):
        """Find links by what their keys are."""
        if operator != "in":
            return NotImplemented
        found = SQL("(SELECT id FROM (%s) s WHERE state = ANY(%s))", _STATES, list(value))
        return [("id", "in", found)]

    # === WHAT MUST NOT HAPPEN TO A LINK WITH KEYS === #

    def write(self, vals):
        """Override to keep the serial number that keys are bound to."""
        if "serial" in vals:
            self.filtered(lambda link: link.serial != vals["serial"])._check_no_keys()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_keys(self):
        """Keep a link as long as somebody could prove to be it."""
        self._check_no_keys()

    def _check_no_keys(self):
        """Refuse when a key or certificate of one of the links can be used."""
        self.env.cr.execute(
            SQL(
                """SELECT link_id FROM acrel_link_key
                    WHERE link_id = ANY(%(ids)s) AND wrapped IS NOT NULL
                    UNION
                   SELECT link_id FROM acrel_link_certificate
                    WHERE link_id = ANY(%(ids)s) AND state = 'valid' LIMIT 1""",
                ids=self.ids,
            )
        )
        row = self.env.cr.fetchone()
        if row:
            raise UserError(
                self.env._(
                    "Link %(link)s has keys or certificates, which are bound to its serial "
                    "number. Revoke them first.",
                    link=self.browse(row[0]).display_name,
                )
            )

    # === TASKS === #

    @api.model
    def _cron_rotation_tasks(self):
        """Make a task of each rotation that its meter did not answer; end those it did."""
        self.env.cr.execute(
            SQL(
                """SELECT k.link_id FROM acrel_link_key k JOIN acrel_link l ON l.id = k.link_id
                    WHERE k.state = 'next' AND k.over_air AND k.answered_at IS NULL AND l.active
                      AND k.made_at < %s""",
                fields.Datetime.now() - timedelta(days=ROTATION_DAYS),
            )
        )
        waiting = self.browse(row[0] for row in self.env.cr.fetchall())
        kind = self.env.ref("acrel_meter_link.activity_type_rotation")
        open_tasks = self.env["mail.activity"].search(
            [("res_model", "=", self._name), ("activity_type_id", "=", kind.id)]
        )
        having = self.browse(open_tasks.mapped("res_id"))
        for link in waiting - having:
            link.activity_schedule(
                activity_type_id=kind.id,
                user_id=link._key_officer().id,
                note=self.env._(
                    "For %(days)s days the meter has not taken its next key. See whether it is "
                    "online, and whether its module can rotate keys; else revoke that version, or "
                    "hand over a new key at the bench.",
                    days=ROTATION_DAYS,
                ),
            )
        (having - waiting).activity_feedback(["acrel_meter_link.activity_type_rotation"])

    def _key_officer(self):
        """Return who looks after the keys of this link's company."""
        officers = self.env.ref("acrel_meter_link.group_key_officer").all_user_ids
        mine = officers.filtered(
            lambda user: user.active and self.company_id in user.company_ids
        ).sorted("id")
        human = mine.filtered(lambda user: user != self.env.ref("base.user_root"))
        return (human or self.create_uid or self.env.user)[:1]
