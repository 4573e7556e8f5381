from . import (
    test_bills,
    test_concurrency,
    test_credentials,
    test_faults,
    test_notifications,
    test_orders,
    test_pages,
    test_refunds,
    test_secrets,
)
