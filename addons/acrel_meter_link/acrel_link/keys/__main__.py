"""``python -m acrel_link.keys``: one action on keys; a wrong input is one sentence and code 2."""

import os
import sys

from .options import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
