"""Kinds of events that this layer writes into ``acrel_event``, with their usual severity.

The link process writes most of them; the engine writes those of `ENGINE_KINDS`.
"""

INFO, WARNING, ALARM = "info", "warning", "alarm"

LINK_KINDS = {
    "link_replaced": WARNING,  # a new connection of a serial took the place of a living one
    "identity_mismatch": ALARM,  # a frame of a meter that is not the connection's
    "plain_refused": ALARM,  # a plain connection in the name of a link that is secured
    "channel_refused": WARNING,  # a connection over another channel than the link's
    "certificate_refused": ALARM,  # of another authority, expired, revoked, with another name
    "handshake_failed": ALARM,  # repeatedly in the name of one link, or with a hello used before
    "link_mismatch": WARNING,  # another connection's serial number or slave address
    "sim_changed": WARNING,  # it registers with another SIM card than it is bound to
    "link_abuse": WARNING,  # a connection was cut for its frames (too long, malformed, unfinished)
    "bus_unreachable": WARNING,  # a bus of LAN meters takes no connection, or no meter answers
    "close_refused": ALARM,  # the contactor was not closed: billing registers unread or falling
    "close_failed": ALARM,  # closing was tried and not confirmed by read-back
    "close_expired": WARNING,  # the close was asked for too long ago to be sent
    "open_failed": ALARM,  # opening was tried and not confirmed by read-back
    "feedback_mismatch": ALARM,  # relay and auxiliary contact disagree
    "opened_itself": ALARM,  # a contactor that was closed and confirmed is open
    "closed_itself": ALARM,  # a contactor that shall be open is closed
    "guard_tripped": INFO,  # the link opened at the guard's register or time
    "guard_held": ALARM,  # the guard tripped on an output that only a person opens
    "month_differs": WARNING,  # a month's frozen register does not fit our readings around it
    "register_fell": ALARM,  # e_forward went backwards
    "reading_refused": WARNING,  # a reading went to quarantine
    "output_driver": ALARM,  # an output does not obey the link: something else drives it
    "contactor_stuck": ALARM,  # the relay is open, and load or auxiliary contact say closed
    "clock_off": WARNING,  # the meter's clock is wrong and could not be set
    "spooling": WARNING,  # PostgreSQL takes nothing: what arrives is kept on the link's disk
    "spool_full": ALARM,  # the link's disk takes nothing either: nothing is acknowledged
    "spool_damaged": ALARM,  # something kept on the link's disk could not be read again
    "clock_stepped": WARNING,  # the database's clock was set to another time
}

# Bits of a meter's own status words; the profiles in meters/ say which bit is which.
METER_KINDS = {
    "alarm_over_voltage": ALARM,
    "alarm_under_voltage": ALARM,
    "alarm_over_current": ALARM,
    "alarm_under_current": WARNING,
    "alarm_over_power": ALARM,
    "alarm_under_power": WARNING,
    "alarm_do1": INFO,  # its output 1 acts on an alarm
    "alarm_do2": INFO,
    **dict.fromkeys((f"alarm_current_loss_{phase}" for phase in "abc"), ALARM),
    **dict.fromkeys((f"alarm_voltage_loss_{phase}" for phase in "abc"), ALARM),
    "alarm_phase_sequence": ALARM,
    "alarm_power_failure": ALARM,
    **dict.fromkeys((f"alarm_power_factor_{phase}" for phase in "abc"), WARNING),
    "alarm_power_factor": WARNING,
    **dict.fromkeys((f"alarm_temperature_{place}" for place in "abcn"), ALARM),
    **dict.fromkeys((f"alarm_distortion_u{phase}" for phase in "abc"), WARNING),
    **dict.fromkeys((f"alarm_distortion_i{phase}" for phase in "abc"), WARNING),
    "alarm_unbalance_u": WARNING,
    "alarm_unbalance_i": WARNING,
    "alarm_demand_p_forward": WARNING,
    "alarm_demand_p_reverse": WARNING,
    "alarm_demand_q_forward": WARNING,
    "alarm_demand_q_reverse": WARNING,
    "alarm_demand_s": WARNING,
}
LINK_KINDS |= METER_KINDS

# Limits that the engine watches; the rules are records of acrel.alarm.rule.
RULE_KINDS = {
    "rule_voltage_high": WARNING,
    "rule_voltage_low": WARNING,
    "rule_frequency": WARNING,
    "rule_unbalance": WARNING,
    "rule_phase_loss": ALARM,
    "rule_overcurrent": ALARM,
    "rule_reversed_phase": ALARM,  # one phase feeds back while another takes: a turned CT
    "rule_current_without_session": ALARM,  # current while no output of the meter shall be closed
}

ENGINE_KINDS = {
    "meter_silent": WARNING,  # no reading for longer than the threshold
    "engine_error": ALARM,  # the engine could not handle this record; it tries again
}

ENGINE_KINDS |= RULE_KINDS

KINDS = LINK_KINDS | ENGINE_KINDS
