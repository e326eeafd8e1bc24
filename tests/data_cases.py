"""What the tests of data share.

The real sets are read from the folder that NUMGAN_DATA names: a missing set then fails. Without the variable
the tests of real sets are skipped.
"""

import os
import struct

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

REAL = os.environ.get("NUMGAN_DATA")
real = pytest.mark.skipif(
    not REAL, reason="NUMGAN_DATA is not set: it should name a folder with mnist/ and fashion-mnist/ in it"
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.integers(1, 40)


def idx_file(array):
    """The bytes of an IDX file of an array of uint8, big-endian int32 or big-endian float32."""
    code = {"u1": 0x08, "i4": 0x0C, "f4": 0x0D}[array.dtype.str[1:]]
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
