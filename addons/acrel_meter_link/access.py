"""Rights that no access list can say, because the method behind a button runs as superuser."""

from odoo.exceptions import AccessError


def require(env, group):
    """Refuse the user who has not the group.

    :param str group: name of a group of this module
    :raise AccessError: with the name of the group
    """
    xmlid = f"acrel_meter_link.{group}"
    if not (env.su or env.user.has_group(xmlid)):
        raise AccessError(
            env._(
                "This needs the right “%(group)s” of the charging network. Ask an administrator.",
                group=env.ref(xmlid).sudo().name,
            )
        )
