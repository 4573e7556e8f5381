"""A simulator of Alipay's open platform gateway, written from its public documents."""
