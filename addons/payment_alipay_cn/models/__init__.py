from . import (
    payment_provider,
    payment_provider_bills,
    payment_provider_credentials,
    payment_provider_request,
    payment_provider_sentences,
    payment_transaction,
    payment_transaction_notify,
    payment_transaction_order,
    payment_transaction_refund,
)
