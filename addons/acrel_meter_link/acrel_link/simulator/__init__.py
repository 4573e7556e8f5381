"""ADW300 meters on real sockets, with a contactor, a load and faults that can be set.

For demonstrations, tests and benches. In a process of its own: `python -m acrel_link.simulator` or
`odoo meter_simulator`; inside a test: `Fleet`.
"""

from .device import Device
from .faults import FAULTS, FaultError
from .fleet import Fleet
from .options import Options, OptionsError
