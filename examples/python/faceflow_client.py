# SPDX-License-Identifier: Apache-2.0
"""Frames of a `faceflow share` as arrays, in place: nothing is copied, and nothing but ctypes is needed.

    import numpy
    from faceflow_client import connect

    with connect() as share:                  # or connect("/run/user/1000/other.sock")
        for frame in share:
            luma = numpy.from_dlpack(frame.plane(0))
            print(frame.sequence, frame.format, luma.shape, luma.mean())

`frame.plane(i)` speaks the DLPack protocol, so every library that does can take it:

    torch.from_dlpack(frame.plane(0))                    # a CPU tensor on the same memory
    torch.from_dlpack(frame.plane(0)).to("cuda")         # one copy, up
    cupy.asarray(numpy.from_dlpack(frame.plane(0)))      # CuPy takes no CPU tensors itself: one copy, up

An array keeps its frame's lease until it is garbage-collected. A client that keeps as many frames as it has leases gets no
more; copy what is to stay. The memory is the server's and read-only: to write to a tensor on it ends the process
(NumPy marks its arrays as read-only, PyTorch does not).

Leases stay with the process that connected: a child that is forked (multiprocessing's "fork", a DataLoader's workers) gives none
back when its copies of frames are collected, and cannot take frames from its parent's connection. Connect in the child.

The library is found as libfaceflow-client.so.0.2 where the loader looks, or where FACEFLOW_CLIENT says.
"""

import ctypes
import os

_OK, _TIMEOUT, _ENDED = 0, 1, -9
LATEST, FIFO = 0, 1


class _Options(ctypes.Structure):
    _fields_ = [("leases", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("timeout_ms", ctypes.c_int32),
                ("anticipate", ctypes.c_uint32), ("reserved", ctypes.c_uint32 * 4)]  # fmt: skip


class _Info(ctypes.Structure):
    _fields_ = [("source", ctypes.c_uint32), ("planes", ctypes.c_uint32), ("sequence", ctypes.c_uint64),
                ("pts_ns", ctypes.c_int64), ("captured_ns", ctypes.c_int64), ("announced_ns", ctypes.c_int64),
                ("dropped", ctypes.c_uint64), ("width", ctypes.c_int32), ("height", ctypes.c_int32),
                ("turn", ctypes.c_int32), ("reserved", ctypes.c_uint32), ("format", ctypes.c_char_p),
                ("matrix", ctypes.c_char_p), ("range", ctypes.c_char_p)]  # fmt: skip


def _load():
    library = ctypes.CDLL(os.environ.get("FACEFLOW_CLIENT", "libfaceflow-client.so.0.2"))
    handle, status = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("ff_client_new", handle, []),
        ("ff_client_connect", status, [handle, ctypes.c_char_p, ctypes.POINTER(_Options)]),
        ("ff_next", status, [handle, ctypes.c_int, ctypes.POINTER(handle)]),
        ("ff_last_error", ctypes.c_char_p, [handle]),
        ("ff_client_close", None, [handle]),
        ("ff_frame_get_info", status, [handle, ctypes.POINTER(_Info), ctypes.c_size_t]),
        ("ff_frame_plane_dlpack", handle, [handle, ctypes.c_uint32]),
        ("ff_frame_release", None, [handle]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


# A capsule that nobody has taken the tensor out of gives it back itself. Consumers rename the capsule when they take it.
_TENSOR = b"dltensor"
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
_DELETER_AT = 56  # of DLManagedTensor


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _drop_tensor(capsule):
    if _is_valid(capsule, _TENSOR):
        tensor = _get_pointer(capsule, _TENSOR)
        deleter = ctypes.c_void_p.from_address(tensor + _DELETER_AT).value
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(deleter)(tensor)


class Plane:
    """One plane of a frame, rows x columns or rows x columns x channels, for any `from_dlpack`."""

    def __init__(self, frame, index):
        self._frame, self._index = frame, index

    def __dlpack__(self, stream=None, **_):
        tensor = self._frame._library.ff_frame_plane_dlpack(self._frame._handle, self._index)
        if not tensor:
            raise IndexError(f"the frame has no plane {self._index}")
        return _new_capsule(tensor, _TENSOR, ctypes.cast(_drop_tensor, ctypes.c_void_p))

    def __dlpack_device__(self):
        return (1, 0)  # kDLCPU


class Frame:
    """A lease on one frame: `source`, `sequence`, `pts_ns`, `width`, `height`, `format`, `dropped`, ... and its planes."""

    def __init__(self, library, handle):
        self._library, self._handle = library, handle
        info = _Info()
        library.ff_frame_get_info(handle, ctypes.byref(info), ctypes.sizeof(info))
        for name, _ in _Info._fields_:
            value = getattr(info, name)
            setattr(self, name, value.decode() if isinstance(value, bytes) else value)

    def plane(self, index):
        if not self._handle:
            raise ValueError("the frame is released")
        return Plane(self, index)

    def release(self):
        """Gives the lease back, once no array of the frame is left. Done by itself when the frame is collected."""
        handle, self._handle = self._handle, None
        if handle:
            self._library.ff_frame_release(handle)

    __del__ = release


class connect:
    """A client of the share at `path`. Iterating gives frames until the sources end; errors are OSError.

    With `anticipate` it is awake when a frame is due, which costs up to 5 % of a core: see ff_options in client.h.
    """

    def __init__(self, path=None, leases=4, policy=LATEST, anticipate=False):
        self._library = _load()
        self._client = self._library.ff_client_new()
        options = _Options(leases=leases, policy=policy, anticipate=int(anticipate))
        at = os.fsencode(path) if path is not None else None
        if self._library.ff_client_connect(self._client, at, ctypes.byref(options)) != _OK:
            error = self._error()
            self.close()
            raise error

    def next(self, timeout=None):
        """The next frame; None when none came within `timeout` seconds; StopIteration at the end."""
        handle = ctypes.c_void_p()
        wait = -1 if timeout is None else int(timeout * 1000)
        status = self._library.ff_next(self._client, wait, ctypes.byref(handle))
        if status == _ENDED:
            raise StopIteration
        if status < 0:
            raise self._error()
        return Frame(self._library, handle.value) if status == _OK else None

    def __iter__(self):
        return self

    def __next__(self):
        # In short waits, so that Ctrl-C is heard.
        while True:
            frame = self.next(0.2)
            if frame is not None:
                return frame

    def close(self):
        """Frames and arrays that are still there stay valid."""
        client, self._client = self._client, None
        if client:
            self._library.ff_client_close(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    __del__ = close

    def _error(self):
        return OSError(self._library.ff_last_error(self._client).decode(errors="replace"))


if __name__ == "__main__":
    import sys

    import numpy

    with connect(*sys.argv[1:2]) as share:
        for frame in share:
            luma = numpy.from_dlpack(frame.plane(0))
            print(f"{frame.source}/{frame.sequence} {frame.format} {luma.shape} mean {luma.mean():.1f}", flush=True)
