"""Who hears the live values of a company's sessions."""

from odoo import models

from .acrel_session_live import STAFF_CHANNEL


class IrWebsocket(models.AbstractModel):
    """Channels of staff: one a company, so that nobody hears another company's sessions."""

    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Subscribe staff of the network to the sessions of their companies."""
        channels = super()._build_bus_channel_list(channels)
        user = self.env.user
        if user.has_group("acrel_meter_link.group_viewer"):
            channels.extend((company, STAFF_CHANNEL) for company in user.company_ids)
        return channels
