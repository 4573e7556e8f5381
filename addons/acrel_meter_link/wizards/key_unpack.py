"""A certificate's package as a PKCS#12 file."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..access import require
from ..acrel_link.keys.errors import KeysError
from ..acrel_link.keys.package import open_with_passphrase
from ..acrel_link.keys.pkcs12 import encode
from ..models.key_job import GROUP


class AcrelKeyUnpack(models.TransientModel):
    """The passphrase of a package, asked for again to put its certificate into PKCS#12.

    The link process could not do that, because it never knew the passphrase; here it is not kept.
    """

    _name = "acrel.key.unpack"
    _description = "Certificate as PKCS#12"

    job_id = fields.Many2one("acrel.key.job", required=True, readonly=True)
    passphrase = fields.Char(compute="_compute_passphrase", inverse="_inverse_passphrase")

    def _compute_passphrase(self):
        """Show nothing: what was typed is not kept."""
        self.passphrase = False

    def _inverse_passphrase(self):
        """Replace the package by a PKCS#12 file under the same passphrase."""
        require(self.env, GROUP)
        for unpack in self.filtered("passphrase"):
            unpack.job_id.check_access("read")
            self.env.cr.execute(
                SQL(
                    "SELECT result FROM acrel_key_job WHERE id = %s AND result IS NOT NULL",
                    unpack.job_id.id,
                )
            )
            row = self.env.cr.fetchone()
            if row is None:
                raise UserError(self.env._("The package was fetched already."))
            try:
                handed = open_with_passphrase(bytes(row[0]), unpack.passphrase).certificates
            except KeysError as error:
                raise UserError(str(error)) from error
            if len(handed) != 1:
                raise UserError(
                    self.env._(
                        "A PKCS#12 file is of one certificate, and this package has "
                        "%(count)s: fetch the package itself.",
                        count=len(handed),
                    )
                )
            self.env.cr.execute(
                SQL(
                    "UPDATE acrel_key_job SET result = %s, result_name = %s WHERE id = %s",
                    encode(handed[0], unpack.passphrase),
                    f"{handed[0].serial}.p12",
                    unpack.job_id.id,
                )
            )
            unpack.job_id.invalidate_recordset()
        self.invalidate_recordset(["passphrase"])

    def action_fetch(self):
        """Fetch the file."""
        self.ensure_one()
        return self.job_id.action_fetch()
