"""Kinds of events that this layer writes into ``acrel_event``, with their usual severity.

The link process writes most of them; the engine writes those of `ENGINE_KINDS`.
"""

INFO, WARNING, ALARM = "info", "warning", "alarm"

LINK_KINDS = {
    "link_replaced": WARNING,  # a new connection of a serial took the place of a living one
    "link_mismatch": WARNING,  # ICCID or slave address differs from what is known
    "link_abuse": WARNING,  # a connection was cut for its frames (too long, malformed, unfinished)
    "close_refused": ALARM,  # the contactor was not closed: billing registers unread or falling
    "close_failed": ALARM,  # closing was tried and not confirmed by read-back
    "close_expired": WARNING,  # the close was asked for too long ago to be sent
    "open_failed": ALARM,  # opening was tried and not confirmed by read-back
    "feedback_mismatch": ALARM,  # relay and auxiliary contact disagree
    "opened_itself": ALARM,  # a contactor that was closed and confirmed is open
    "closed_itself": ALARM,  # a contactor that shall be open is closed
    "guard_tripped": INFO,  # the link opened at the guard's register or time
    "guard_held": ALARM,  # the guard tripped on an output that only a person opens
    "register_fell": ALARM,  # e_forward went backwards
    "reading_refused": WARNING,  # a reading went to quarantine
    "meter_alarm": ALARM,  # the meter's own alarm frame
}

ENGINE_KINDS = {
    "meter_silent": WARNING,  # no reading for longer than the threshold
    "engine_error": ALARM,  # the engine could not handle this record; it tries again
}

KINDS = LINK_KINDS | ENGINE_KINDS
