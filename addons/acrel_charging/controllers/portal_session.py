"""A driver's own sessions: the list, the live page, the stop."""

from odoo import http
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request

from odoo.addons.portal.controllers.portal import pager as portal_pager

from ..models.acrel_session import LIVE_STATES
from .portal import AcrelChargingPortal


class AcrelChargingSessionPortal(AcrelChargingPortal):
    """What a driver sees of his sessions; another driver's session does not exist for him."""

    def _prepare_home_portal_values(self, counters):
        """Override of `portal` to count the driver's sessions."""
        values = super()._prepare_home_portal_values(counters)
        if "charging_session_count" in counters:
            values["charging_session_count"] = (
                request.env["acrel.session"].search_count(self._charging_domain()) or 0
            )
        return values

    def _charging_domain(self):
        """Return the sessions of the driver who is logged in, staff included."""
        return Domain("driver_id", "=", request.env.user.partner_id.id)

    @http.route(
        ["/my/charging", "/my/charging/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
        methods=["GET"],
        readonly=True,
    )
    def my_sessions(self, page=1, filterby="all", **_kw):
        """List the driver's sessions."""
        filters = {
            "all": {"label": request.env._("All"), "domain": Domain.TRUE},
            "live": {
                "label": request.env._("Charging now"),
                "domain": Domain("state", "in", LIVE_STATES),
            },
            "done": {
                "label": request.env._("Finished"),
                "domain": Domain("state", "in", ("finished", "faulted")),
            },
            "cancelled": {
                "label": request.env._("Cancelled"),
                "domain": Domain("state", "=", "cancelled"),
            },
        }
        filterby = filterby if filterby in filters else "all"
        sessions = request.env["acrel.session"].sudo()
        domain = self._charging_domain() & filters[filterby]["domain"]
        pager = portal_pager(
            url="/my/charging",
            url_args={"filterby": filterby},
            total=sessions.search_count(domain),
            page=page,
            step=self._items_per_page,
        )
        return request.render(
            "acrel_charging.portal_my_sessions",
            {
                **self._prepare_portal_layout_values(),
                "sessions": sessions.search(
                    domain, limit=self._items_per_page, offset=pager["offset"]
                ),
                "pager": pager,
                "searchbar_filters": filters,
                "filterby": filterby,
                "default_url": "/my/charging",
                "page_name": "my_charging",
            },
        )

    @http.route(
        "/my/charging/<int:session_id>", type="http", auth="user", website=True, methods=["GET"]
    )
    def my_session(self, session_id, **_kw):
        """Show one session; while it runs the page grows by itself."""
        session = self._my_session(session_id)
        if not session:
            return self._charging_unknown_session()
        return request.render("acrel_charging.portal_session", self._session_values(session))

    @http.route(
        "/my/charging/<int:session_id>/live",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def my_session_live(self, session_id, **_kw):
        """Return what the page shows now, for pages whose websocket is silent."""
        session = self._my_session(session_id)
        if not session:
            return request.make_json_response({"error": "not found"}, status=404)
        return request.make_json_response(session._live_payload())

    @http.route(
        "/my/charging/<int:session_id>/curve",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def my_session_curve(self, session_id, **_kw):
        """Return the power curve of a session: ``[[epoch ms, W], ...]``."""
        session = self._my_session(session_id)
        if not session:
            return request.make_json_response({"error": "not found"}, status=404)
        return request.make_json_response(session.get_power_curve())

    @http.route(
        "/my/charging/<int:session_id>/stop",
        type="http",
        auth="user",
        website=True,
        methods=["POST"],
    )
    def my_session_stop(self, session_id, **_kw):
        """Stop the driver's session; a session that has ended shows its end."""
        session = self._my_session(session_id)
        if not session:
            return self._charging_unknown_session()
        if session.is_live:
            try:
                with request.env.cr.savepoint():
                    session._stop("driver")
            except UserError as error:
                values = {**self._session_values(session), "error": str(error)}
                return request.render("acrel_charging.portal_session", values, status=422)
        return request.redirect(f"/my/charging/{session.id}", code=303)

    def _my_session(self, session_id):
        """Return the driver's own session with the server's privileges, or none."""
        sessions = request.env["acrel.session"].sudo()
        return sessions.search(self._charging_domain() & Domain("id", "=", session_id))

    def _session_values(self, session):
        """Return what the page of a session shows."""
        return {
            **self._prepare_portal_layout_values(),
            "session": session,
            "pile": session.pile_id,
            "station": session.station_id,
            "partner": session.driver_id,
            "live": session._live_payload(),
            "state_labels": session._fields["state"]._description_selection(session.env),
            "error": None,
            "page_name": "my_charging_session",
        }

    def _charging_unknown_session(self):
        """Say that a session is not the driver's, or does not exist."""
        return self._charging_message(request.env._("There is no such charging session of yours."))
