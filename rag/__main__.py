"""`python -m rag` is the console script `rag`."""

import sys

from rag.cli import main

sys.exit(main())
