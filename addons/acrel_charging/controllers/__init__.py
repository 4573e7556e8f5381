from . import portal, portal_session
