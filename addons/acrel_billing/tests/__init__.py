from . import (
    test_session_money,
    test_settle,
    test_tariff,
    test_terms,
)
