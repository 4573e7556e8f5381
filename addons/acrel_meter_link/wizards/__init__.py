from . import allow_plain, key_request, key_unpack
