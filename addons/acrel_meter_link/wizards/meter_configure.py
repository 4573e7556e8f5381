"""Maintenance orders: registers and commands that decide how a meter works and whom it calls."""

import ipaddress

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..access import require
from ..acrel_link.errors import ProtocolError
from ..acrel_link.profiles import names, profile
from ..acrel_link.writes import ORDERED, plan_frame, plan_writes
from ..tariff_text import day_bytes, year_bytes

# What people write for registers that are tables.
TABLES = {"periods": day_bytes, "zones": year_bytes}

PARAMETERS, RESTART, SERVER = 0x82, 0x87, 0x88


def _registers():
    """Return every register that only a maintenance order writes, of all models."""
    return {
        register.name: register.item.partition(":")[0]
        for name in names()
        for register in profile(name).map.registers
        if register.write == "configuration"
    }


class AcrelMeterConfigure(models.TransientModel):
    """One maintenance order, with the reason that is kept with it."""

    _name = "acrel.meter.configure"
    _description = "Configure a Meter"

    meter_id = fields.Many2one("acrel.meter", required=True, readonly=True)
    what = fields.Selection(
        [
            ("register", "Set a register"),
            ("server", "Set the server it calls"),
            ("restart", "Restart it"),
            ("parameters", "Set device parameters"),
        ],
        required=True,
        default="register",
    )
    register = fields.Selection(list(_registers().items()))
    takes = fields.Char(compute="_compute_takes", help="What the register takes.")
    value = fields.Char(
        help="A whole number of raw counts; the bytes of a register that is no number in "
        "hexadecimal."
    )
    server_address = fields.Char("IP Address")
    server_port = fields.Integer("Port")
    parameters = fields.Char("Bytes (hexadecimal)")
    reason = fields.Char(required=True, help="Why: it is kept with the order and in the log.")

    @api.depends("register", "meter_id")
    def _compute_takes(self):
        """Say where the register stands and what it takes."""
        for order in self:
            known = profile(order.meter_id.profile or "adw300").map.by_name
            register = known.get(order.register)
            if register is None:
                order.takes = order.register and self.env._("This model does not have it.")
            elif register.range:
                order.takes = f"{register.address:04X}H: {register.range[0]} … {register.range[1]}"
            elif register.type == "periods":
                order.takes = self.env._("Times and rates 1 to 4, such as 00:00 3, 08:00 2")
            elif register.type == "zones":
                order.takes = self.env._("Days and tables 1 to 3, such as 01-01 1, 07-01 2")
            else:
                order.takes = self.env._(
                    "%(address)sH: %(size)s bytes, hexadecimal",
                    address=f"{register.address:04X}",
                    size=2 * register.words,
                )

    def _payload(self):
        """Return the order as the link's ``writes.py`` takes it, and its words."""
        if self.what == "register":
            text = (self.value or "").strip()
            register = profile(self.meter_id.profile).map.by_name.get(self.register)
            number = register is None or register.values == 1
            if number and not text.lstrip("-").isdigit():
                raise UserError(self.env._("The value is a whole number of raw counts."))
            if number:
                values = {self.register: int(text)}
            else:
                values = {self.register: TABLES.get(register.type, str)(text)}
            plan_writes(profile(self.meter_id.profile), values, ORDERED["configure"])
            words = dict(self._fields["register"]._description_selection(self.env))
            return {"registers": values}, f"{words[self.register]}: {text}"
        if self.what == "server":
            try:
                address = ipaddress.IPv4Address((self.server_address or "").strip())
            except ValueError as error:
                raise UserError(
                    self.env._("The server's address is four numbers, such as 203.0.113.7.")
                ) from error
            if not 0 < self.server_port < 65536:
                raise UserError(self.env._("A port is a number from 1 to 65535."))
            body = (address.packed + self.server_port.to_bytes(2, "big")).hex()
            plan_frame(SERVER, body)
            return (
                {"frame": SERVER, "body": body},
                self.env._("Server: %(server)s", server=f"{address}:{self.server_port}"),
            )
        if self.what == "restart":
            return {"frame": RESTART, "body": ""}, self.env._("Restart")
        body = (self.parameters or "").strip().lower()
        plan_frame(PARAMETERS, body)
        return (
            {"frame": PARAMETERS, "body": body},
            self.env._("Device parameters: %(body)s", body=body),
        )

    def action_order(self):
        """Order it, note who did and why, and open the order."""
        self.ensure_one()
        require(self.env, "group_configuration")
        self.meter_id.check_access("read")
        meter = self.meter_id.sudo()
        meter._check_outputs_open()
        reason = (self.reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why: it is kept with the order."))
        try:
            payload, summary = self._payload()
        except ProtocolError as error:
            raise UserError(str(error)) from error
        command = self.meter_id._send_order("configure", payload, summary, reason)
        meter.message_post(
            author_id=self.env.user.partner_id.id,
            body=self.env._(
                "Maintenance order: %(what)s. Reason: %(reason)s", what=summary, reason=reason
            ),
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.command",
            "res_id": command.id,
            "view_mode": "form",
        }
