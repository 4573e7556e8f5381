from . import (
    payment_provider,
    payment_provider_bills,
    payment_provider_check,
    payment_provider_request,
    payment_transaction,
    payment_transaction_order,
    payment_transaction_refund,
)
