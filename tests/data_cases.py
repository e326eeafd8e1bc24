"""What the tests of data share.

The real sets are read from the folder that NUMGAN_DATA names: a missing set then fails. Without the variable
the tests of real sets are skipped.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

REAL = os.environ.get("NUMGAN_DATA")
real = pytest.mark.skipif(
    not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ and fashion-mnist/ in it"
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.integers(1, 40)
