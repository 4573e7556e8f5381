from . import allow_plain, key_request, key_unpack, meter_configure, meter_settings
