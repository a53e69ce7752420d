"""The wire between the workbench and the engine: framed JSON with raw arrays behind it, never pickle.

One frame is

    uint32 big-endian   n, the header's length in bytes
    n bytes             the header: a JSON object, UTF-8
    ...                 the arrays that header["arrays"] lists, one behind the other, C order, little-endian

Requests are {"id", "method", "params"}; answers carry the same id and one of "result", "error"
({"message"}) or "progress" ({"done", "total", "text"}; any number of them before the result).
Arrays belong to "params" or "result" by name. Version 1; a peer says its version in `hello`.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
_LENGTH = struct.Struct(">I")
_HEADER_LIMIT_BYTES = 64 << 20
_KINDS = frozenset("biuf")


class ProtocolError(Exception):
    """The peer sent something that is not a frame; the stream cannot be used any further."""


@dataclass(frozen=True)
class Message:
    """One frame: a JSON object (`body`) and the arrays that travel with it, by name."""

    body: dict[str, Any]
    arrays: "dict[str, np.ndarray]" = field(default_factory=dict)


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write `message` to `stream` and flush it."""
    arrays = {name: _as_sent(array) for name, array in message.arrays.items()}
    listed = [{"name": name, "dtype": array.dtype.str, "shape": list(array.shape)} for name, array in arrays.items()]
    header = json.dumps({**message.body, "arrays": listed}, allow_nan=False).encode()
    stream.write(_LENGTH.pack(len(header)) + header + b"".join(array.tobytes() for array in arrays.values()))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message of `stream`; None at a clean end. Raises `ProtocolError` on anything else."""
    prefix = _read(stream, _LENGTH.size, may_end=True)
    if prefix is None:
        return None
    (length,) = _LENGTH.unpack(prefix)
    if length > _HEADER_LIMIT_BYTES:
        raise ProtocolError(f"a header of {length} bytes is over the limit; the peer does not speak this protocol")
    try:
        body = json.loads(_read(stream, length) or b"")
    except ValueError as error:
        raise ProtocolError("a header is not JSON") from error
    if not isinstance(body, dict):
        raise ProtocolError("a header is not a JSON object")
    listed = body.pop("arrays", [])
    return Message(body, {entry["name"]: _read_array(stream, entry) for entry in listed})


# NumPy is imported where an array travels: a peer that sends none starts three times as fast.
def _as_sent(array: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _read_array(stream: BinaryIO, entry: dict[str, Any]) -> "np.ndarray":
    import numpy as np

    dtype = np.dtype(entry["dtype"])
    if dtype.kind not in _KINDS:
        raise ProtocolError(f"an array of dtype {entry['dtype']} cannot travel")
    shape = tuple(int(size) for size in entry["shape"])
    count = int(np.prod(shape, dtype=np.int64))
    data = _read(stream, count * dtype.itemsize) or b""
    return np.frombuffer(data, dtype).reshape(shape)


def _read(stream: BinaryIO, size: int, *, may_end: bool = False) -> bytes | None:
    data = b""
    while len(data) < size:
        part = stream.read(size - len(data))
        if not part:
            if may_end and not data:
                return None
            raise ProtocolError("the stream ended inside a message")
        data += part
    return data
