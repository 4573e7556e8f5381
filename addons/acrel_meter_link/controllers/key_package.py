"""The one way a key package leaves the database."""

from odoo.exceptions import AccessError, MissingError
from odoo.http import Controller, content_disposition, request, route


class KeyPackage(Controller):
    """Hands a package to the key officer who has just asked for it, once."""

    @route("/acrel_meter_link/key_package/<int:job_id>/<string:ticket>", type="http", auth="user")
    def fetch(self, job_id, ticket):
        """Send the package and forget it."""
        try:
            fetched = request.env["acrel.key.job"].browse(job_id)._fetch(ticket)
        except (AccessError, MissingError):
            fetched = None
        if fetched is None:
            raise request.not_found()
        name, package = fetched
        return request.make_response(
            package,
            [
                ("Content-Type", "application/octet-stream"),
                ("Content-Disposition", content_disposition(name)),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
