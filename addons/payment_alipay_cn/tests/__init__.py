from . import test_flow, test_notification, test_refund
