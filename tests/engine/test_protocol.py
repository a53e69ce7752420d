import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import Message, ProtocolError, read_message, write_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text().filter(lambda name: name != "arrays"), JSON, max_size=4))
def test_what_is_written_is_read(body: dict) -> None:
    stream = io.BytesIO()
    write_message(stream, Message(body))
    stream.seek(0)
    assert read_message(stream) == Message(body)
    assert read_message(stream) is None


def test_arrays_travel_with_dtype_and_shape() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3)[:, ::-1],
        "b": np.array([], np.float32),
        "c": np.array(True),
    }
    stream = io.BytesIO()
    write_message(stream, Message({"id": 1}, arrays))
    write_message(stream, Message({"id": 2}))
    stream.seek(0)
    first, second = read_message(stream), read_message(stream)
    assert first is not None
    assert second is not None
    for name, array in arrays.items():
        np.testing.assert_array_equal(first.arrays[name], array)
        assert first.arrays[name].dtype == array.dtype
    assert second.body == {"id": 2}


@pytest.mark.parametrize(
    "data", [b"\x00\x00", b"\x00\x00\x00\x05{}", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01x"]
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(data))


def test_an_array_of_objects_is_refused() -> None:
    header = b'{"arrays": [{"name": "a", "dtype": "O", "shape": [1]}]}'
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(len(header).to_bytes(4, "big") + header + b"12345678"))


def test_a_peer_that_sends_no_array_needs_no_numpy() -> None:
    code = (
        "import os, sys; from engine.protocol import Message, write_message;"
        "write_message(open(os.devnull, 'wb'), Message({'id': 1})); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
