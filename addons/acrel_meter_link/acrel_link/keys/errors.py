"""What can be wrong with keys, each as a sentence for the person who reads it."""


class KeysError(Exception):
    """A key action cannot be done as asked; the text says why and what to do instead."""


class RootKeyError(KeysError):
    """A root key is missing, unreadable for others than it should be, or not the database's."""


class PackageError(KeysError):
    """A provisioning package cannot be opened or is not what it says."""
