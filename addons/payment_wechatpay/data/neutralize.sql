-- disable wechatpay payment provider
UPDATE payment_provider
   SET wechatpay_merchant_id = NULL,
       wechatpay_app_id = NULL,
       wechatpay_certificate_serial = NULL,
       wechatpay_merchant_certificate = NULL,
       wechatpay_private_key = NULL,
       wechatpay_api_v3_key = NULL,
       wechatpay_public_key_id = NULL,
       wechatpay_public_key = NULL,
       wechatpay_platform_certificates = NULL;
