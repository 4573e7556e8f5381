"""What can be wrong with what a meter sent or is to be asked, each as a sentence."""


class ProtocolError(Exception):
    """Bytes that are no message of the protocol, or a message that it does not allow."""


class BodyError(ProtocolError):
    """The body of a frame is not what its command carries."""


class BlockError(ProtocolError):
    """A block of an upload is not what its meter's profile says it is."""


class RtuError(ProtocolError):
    """A Modbus frame is broken, does not answer its request, or may not be asked."""


class RefusedError(RtuError):
    """The meter answered with a Modbus exception; `code` is its number."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class RegisterError(ProtocolError):
    """A register that the map does not have, or a value that does not fit it."""


class ProfileError(ProtocolError):
    """The file of a meter's model says what cannot be."""


class WriteRefusedError(ProtocolError):
    """An order asks for a write that the link does not make."""
