"""`python tests/narrow.py ...` is `python -m core ...` with small fully connected layers.

The network of the tests that train for other reasons than to learn: a checkpoint takes 55 MB instead of 700.
"""

import sys

from core.__main__ import main
from core.model import alexnet

FC_UNITS = 64

if __name__ == "__main__":
    alexnet.FC_UNITS = FC_UNITS
    sys.exit(main(sys.argv[1:]))
