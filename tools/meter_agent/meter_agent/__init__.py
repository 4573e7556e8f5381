"""A program at the site: unchanged Modbus meters on one side, the secured link on the other."""

VERSION = "1.0"
