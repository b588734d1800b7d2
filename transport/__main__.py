"""``python -m transport`` = the console script ``transport``."""

import sys

from transport.cli import main

if __name__ == "__main__":
    sys.exit(main())
