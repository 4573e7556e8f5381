from . import acrel_session_start
