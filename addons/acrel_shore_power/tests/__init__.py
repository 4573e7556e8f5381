from . import (
    test_access,
    test_billing,
    test_call,
    test_connection,
    test_forms,
    test_obligation,
    test_outlet,
    test_vessel,
)
