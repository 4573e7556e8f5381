-- a copy of a database must not take or give back real money
UPDATE payment_provider
   SET alipay_cn_app_id = NULL,
       alipay_cn_seller_id = NULL,
       alipay_cn_app_private_key = NULL,
       alipay_cn_public_key = NULL,
       alipay_cn_app_certificate = NULL,
       alipay_cn_alipay_certificate = NULL,
       alipay_cn_root_certificate = NULL;
