from . import (
    test_accounting_setup,
    test_portal_bill,
    test_posting,
    test_session_money,
    test_settle,
    test_tariff,
    test_terms,
    test_tie,
    test_topup,
    test_wallet,
    test_wallet_pages,
    test_wallet_race,
)
