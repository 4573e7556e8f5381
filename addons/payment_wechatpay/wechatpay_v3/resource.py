"""Open what the gateway encrypted with the APIv3 key (AEAD_AES_256_GCM)."""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALGORITHM = "AEAD_AES_256_GCM"
KEY_LENGTH = 32


class ResourceError(ValueError):
    """An encrypted resource cannot be opened with this key, or is none."""


def decrypt(key, resource):
    """Return the plain bytes of {algorithm, nonce, associated_data, ciphertext}."""
    try:
        if resource.get("algorithm", ALGORITHM) != ALGORITHM:
            raise ResourceError("unknown algorithm")
        return AESGCM(key).decrypt(
            resource["nonce"].encode(),
            base64.b64decode(resource["ciphertext"], validate=True),
            (resource.get("associated_data") or "").encode(),
        )
    except (InvalidTag, binascii.Error, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, ResourceError):
            raise
        raise ResourceError(type(error).__name__) from None
