"""ORM fields that Odoo lacks."""

from odoo import fields


class BigInteger(fields.Integer):
    """A 64-bit integer column, for registers and Wh.

    `fields.Integer` is int4: a lifetime register in Wh passes 2³¹ after 2.1 GWh.
    """

    _column_type = ("int8", "int8")
