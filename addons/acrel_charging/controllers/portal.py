"""Pages of stations and piles, open to everybody; starting needs a log-in."""

from odoo import http
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal
from odoo.addons.portal.controllers.portal import pager as portal_pager

STATIONS_PER_PAGE = 20


class AcrelChargingPortal(CustomerPortal):
    """Where a driver finds a pile and starts."""

    @http.route(
        ["/charging", "/charging/page/<int:page>"],
        type="http",
        auth="public",
        website=True,
        methods=["GET"],
        readonly=True,
    )
    def charging_stations(self, page=1, search="", **_kw):
        """List the published stations, found by name, code, place or pile."""
        stations = request.env["acrel.station"].sudo()
        domain = Domain("portal_published", "=", True)
        search = search.strip()[:64]
        if search:
            domain &= Domain.OR(
                Domain(field, "ilike", search)
                for field in ("name", "code", "city", "street", "pile_ids.code", "pile_ids.name")
            )
        pager = portal_pager(
            url="/charging",
            url_args={"search": search} if search else {},
            total=stations.search_count(domain),
            page=page,
            step=STATIONS_PER_PAGE,
        )
        return request.render(
            "acrel_charging.portal_stations",
            {
                "stations": stations.search(
                    domain, limit=STATIONS_PER_PAGE, offset=pager["offset"]
                ),
                "search": search,
                "pager": pager,
                "page_name": "charging_stations",
            },
        )

    @http.route(
        "/charging/station/<int:station_id>",
        type="http",
        auth="public",
        website=True,
        methods=["GET"],
        readonly=True,
    )
    def charging_station(self, station_id, **_kw):
        """Show one published station with its piles."""
        station = (
            request.env["acrel.station"]
            .sudo()
            .search([("id", "=", station_id), ("portal_published", "=", True)])
        )
        if not station:
            return self._charging_message(request.env._("This station does not exist."))
        return request.render(
            "acrel_charging.portal_station",
            {"station": station, "piles": station.pile_ids, "page_name": "charging_station"},
        )

    @http.route(
        "/charging/p/<string:code>", type="http", auth="public", website=True, methods=["GET"]
    )
    def charging_pile(self, code, **_kw):
        """Show the pile of a QR code: its state, its offer and how to start."""
        pile = request.env["acrel.pile"]._by_code(code)
        if not pile:
            return self._charging_unknown_pile()
        return request.render("acrel_charging.portal_pile", self._pile_values(pile))

    @http.route(
        "/charging/p/<string:code>/start", type="http", auth="user", website=True, methods=["POST"]
    )
    def charging_start(self, code, **_kw):
        """Start a session for the driver who is logged in, and show it."""
        pile = request.env["acrel.pile"]._by_code(code)
        if not pile:
            return self._charging_unknown_pile()
        partner = request.env.user.partner_id
        try:
            with request.env.cr.savepoint():
                session = pile._start(partner)
        except UserError as error:
            values = {**self._pile_values(pile), "error": str(error)}
            return request.render("acrel_charging.portal_pile", values, status=422)
        return request.redirect(f"/my/charging/{session.id}", code=303)

    def _pile_values(self, pile):
        """Return what the page of a pile shows; ``pile`` has the server's privileges."""
        partner = self._charging_driver()
        live = pile.live_session_id
        here = f"/charging/p/{pile.code}"
        return {
            "pile": pile,
            "station": pile.station_id,
            "partner": partner,
            "my_session": live if live and partner and live.driver_id == partner else None,
            "login_url": f"/web/login?redirect={here}",
            "signup_url": f"/web/signup?redirect={here}",
            "error": None,
            "page_name": "charging_pile",
        }

    def _charging_driver(self):
        """Return the partner who is logged in, or no partner."""
        user = request.env.user
        return request.env["res.partner"] if user._is_public() else user.partner_id

    def _charging_unknown_pile(self):
        """Say that a code leads nowhere."""
        return self._charging_message(
            request.env._(
                "There is no pile with this code. Please scan the code on the pile again."
            )
        )

    def _charging_message(self, message, status=404):
        """Say in a sentence why there is no page."""
        return request.render(
            "acrel_charging.portal_message",
            {"message": message, "page_name": "charging_message"},
            status=status,
        )
