"""Whisper compiles its word times on first use, which takes longer than all tests; here they run as Python."""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
