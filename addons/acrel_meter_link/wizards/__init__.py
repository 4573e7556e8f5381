from . import allow_plain
