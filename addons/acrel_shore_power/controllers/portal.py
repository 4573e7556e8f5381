"""Pages on which a ship's agent follows his berth calls."""

from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal, pager


class ShorePortal(CustomerPortal):
    """Berth calls of the agent who is logged in."""

    def _prepare_home_portal_values(self, counters):
        """Override of `portal` to count the agent's berth calls."""
        values = super()._prepare_home_portal_values(counters)
        if "berth_call_count" in counters:
            calls = request.env["acrel.berth.call"]
            values["berth_call_count"] = calls.search_count([]) if calls.has_access("read") else 0
        return values

    @http.route(
        ["/my/berth-calls", "/my/berth-calls/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
        readonly=True,
    )
    def portal_berth_calls(self, page=1, **kwargs):
        """List the calls, the newest first."""
        calls = request.env["acrel.berth.call"]
        if not calls.has_access("read"):
            return request.redirect("/my")
        pages = pager(
            url="/my/berth-calls",
            total=calls.search_count([]),
            page=page,
            step=self._items_per_page,
        )
        found = calls.search([], limit=self._items_per_page, offset=pages["offset"])
        return request.render(
            "acrel_shore_power.portal_berth_calls",
            {
                **self._prepare_portal_layout_values(),
                "page_name": "berth_call",
                "default_url": "/my/berth-calls",
                # The agent may read the calls; the names of berth and vessel come with them.
                "calls": found.sudo(),
                "pager": pages,
            },
        )

    @http.route(
        "/my/berth-calls/<int:call_id>", type="http", auth="user", website=True, readonly=True
    )
    def portal_berth_call(self, call_id, **kwargs):
        """Show one call with its connections and bills."""
        try:
            call = self._document_check_access("acrel.berth.call", call_id)
        except (AccessError, MissingError):
            return request.redirect("/my/berth-calls")
        return request.render(
            "acrel_shore_power.portal_berth_call",
            {
                **self._prepare_portal_layout_values(),
                "page_name": "berth_call",
                "call": call,
                "connections": call.connection_ids.filtered(lambda c: c.state != "cancelled"),
            },
        )
