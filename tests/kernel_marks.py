"""What a test of the kernels needs, and is skipped without."""

import os
import signal

import pytest

from numgan._kernels import compiled

needs_compiled = pytest.mark.skipif(
    compiled is None, reason="the compiled kernels are not built: this is the NumPy-only version"
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
needs_signals = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timer signals"
)
