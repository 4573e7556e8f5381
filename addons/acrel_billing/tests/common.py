"""A company with its books, a pile with a tariff, a driver with money in his wallet."""

from datetime import date, datetime, timedelta

from odoo.fields import Command

from odoo.addons.acrel_charging.tests.common import ChargingCase

from ..money import fen_of

CHART = "cn_large_bis"
# minutes of the day, kind, electricity, service
DAY = [
    (0, 420, "valley", 0.3526, 0.4),
    (420, 600, "flat", 0.6888, 0.4),
    (600, 720, "sharp", 1.2050, 0.4),
    (720, 1080, "peak", 1.0180, 0.4),
    (1080, 1440, "flat", 0.6888, 0.4),
]


class BillingCase(ChargingCase):
    """A prepaid driver at a pile with a tariff by time of day, in Shanghai."""

    rich = 100.0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env.company
        cls.speak_english()
        if cls.company.chart_template != CHART:
            cls.env["account.chart.template"].try_loading(CHART, cls.company, install_demo=False)
        cls.company._acrel_setup_accounting()
        cls.tariff = cls.make_tariff(DAY)
        cls.version = cls.tariff.version_ids
        cls.station = cls.pile.station_id
        cls.station.tariff_id = cls.tariff
        # sessions here are played in the past
        cls.pile.silence_minutes = 10**6
        cls.partner = cls.driver.partner_id
        cls.wallet = cls.env["acrel.wallet"]._ensure(cls.partner, cls.company)
        if cls.rich:
            cls.top_up(cls.rich)
        cls.midnight = datetime.combine(date.today() - timedelta(days=2), datetime.min.time())

    @classmethod
    def speak_english(cls):
        """Let pages and records come in the source language, whatever the database speaks."""
        cls.env["res.lang"]._activate_lang("en_US")
        cls.env["ir.default"].set("res.partner", "lang", "en_US")
        people = cls.driver | cls.operator | cls.env.ref("base.public_user")
        (people.partner_id | cls.company.partner_id).lang = "en_US"

    @classmethod
    def make_tariff(cls, day, activate=True, **values):
        """Make a tariff with one version in force since long ago."""
        tariff = cls.env["acrel.tariff"].create({"name": "Test tariff", **values})
        version = cls.env["acrel.tariff.version"].create(
            {
                "tariff_id": tariff.id,
                "valid_from": datetime(2020, 1, 1),
                "period_ids": [
                    Command.create(
                        {
                            "start_minute": start,
                            "end_minute": end,
                            "kind": kind,
                            "electricity_price": electricity,
                            "service_price": service,
                        }
                    )
                    for start, end, kind, electricity, service in day
                ],
            }
        )
        if activate:
            version.action_activate()
        return tariff

    @classmethod
    def top_up(cls, amount):
        """Put money into the driver's wallet, as staff receive it."""
        bank = cls.env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", cls.company.id)], limit=1
        )
        cls.wallet._top_up_by_staff(fen_of(amount), bank)

    def at(self, hour, minute=0, day=0):
        """Return a moment of a day in the past by the clock of Shanghai, as UTC."""
        return self.midnight + timedelta(days=day, hours=hour - 8, minutes=minute)

    def hear(self, register, moment, pile=None):
        """Let the meter speak and the engine follow."""
        self.meter_says(pile or self.pile, register, moment)
        self.engine_pass()

    def session_with(self, *points, pile=None, end="stop"):
        """Play a whole session: its first point is the close, its last one the opening.

        Points are (moment, register in 0.01 kWh).
        """
        pile = pile or self.pile
        session = self.start(pile)
        (start_at, first), *between, (end_at, last) = points
        self.link_closes(pile, first, start_at)
        self.engine_pass()
        for moment, register in between:
            self.hear(register, moment, pile)
        if end == "stop":
            session._stop("driver")
            self.link_opens(pile, last, end_at)
        else:
            self.link_opens(pile, last, end_at, tripped=end)
        self.engine_pass()
        return session

    def morning(self, pile=None):
        """Play a session from 09:30 to 10:30 with 20 kWh, half of them before ten."""
        return self.session_with(
            (self.at(9, 30), 100_000),
            (self.at(9, 45), 100_500),
            (self.at(10, 15), 101_500),
            (self.at(10, 30), 102_000),
            pile=pile,
        )
