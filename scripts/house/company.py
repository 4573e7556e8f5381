"""The demonstration's company: Chinese, in CNY, on the chart of the enterprise standard.

This text runs inside `odoo shell`, before our add-ons are installed, so that their demo data finds
the company it belongs to.
"""

SET_UP = """
env["res.lang"]._activate_lang("en_US")
env["res.lang"]._activate_lang("zh_CN")
company = env.ref("base.main_company")
cny = env.ref("base.CNY")
cny.active = True
company.write({
    "name": "临港充电服务有限公司",
    "country_id": env.ref("base.cn").id,
    "city": "上海",
    "street": "临港新片区海港大道1号",
    "zip": "201306",
    "phone": "+86 21 5555 0100",
    "email": "office@acrel-demo.example",
    "currency_id": cny.id,
})
company.partner_id.tz = "Asia/Shanghai"
env["account.chart.template"].try_loading("cn_large_bis", company, install_demo=False)
for login in ("admin", "public", "portaltemplate"):
    user = env["res.users"].with_context(active_test=False).search([("login", "=", login)])
    user.partner_id.write({"tz": "Asia/Shanghai"})
env["ir.config_parameter"].set_param("web.base.url.freeze", "True")
provider = env.ref("payment.payment_provider_demo")
provider.write({"state": "test", "is_published": True})
env.cr.commit()
"""
