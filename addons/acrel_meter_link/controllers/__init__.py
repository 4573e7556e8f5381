from . import key_package
