"""Whisper compiles its word times on first use, longer than all tests take; here they run as Python."""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
