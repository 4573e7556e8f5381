"""What installing and removing the add-on does beside its records."""


def post_init_hook(env):
    """Open the sign-up: a driver who scans a pile's code makes his own account."""
    env["ir.config_parameter"].set_param("auth_signup.invitation_scope", "b2c")


def uninstall_hook(env):
    """Drop the table that the ORM does not know."""
    env.cr.execute("DROP TABLE IF EXISTS acrel_session_live")
