"""`python -m acrel_link.simulator`."""

import logging
import sys

from .run import main

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
sys.exit(main(sys.argv[1:], "python -m acrel_link.simulator"))
