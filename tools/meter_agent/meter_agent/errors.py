"""What the agent cannot do, each as a sentence for the person who reads it."""


class AgentError(Exception):
    """Something a person has to see to: a wrong setting, a missing key, a damaged file."""


class ConfigError(AgentError):
    """The configuration file cannot be used."""


class StateError(AgentError):
    """The state folder, or a file in it, cannot be used."""


class LockedError(StateError):
    """Another agent uses the state folder."""


class BusError(Exception):
    """A meter on the bus did not answer."""


class LineError(Exception):
    """The line to the server is not there, or was closed."""
