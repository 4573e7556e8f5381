from . import test_bills, test_flow, test_notification, test_provider, test_query, test_refund
