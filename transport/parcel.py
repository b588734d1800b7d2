"""Tasks packed for other processes: what many of them share travels once and stands in each only as a number."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def pack(thing: object, shared: Sequence[object] = ()) -> bytes:
    """Return an object as bytes, with the place in ``shared`` wherever it holds one of those objects.

    Parameters
    ----------
    thing
        What can be pickled.
    shared
        Objects that the other side has, or gets by a parcel of its own; the very same objects, not equal ones.
    """
    file = io.BytesIO()
    _Packer(file, shared).dump(thing)
    return file.getvalue()


def unpack(parcel: bytes, shared: Sequence[object] = ()) -> Any:
    """Return what :func:`pack` packed.

    Parameters
    ----------
    parcel
        Of :func:`pack`; only of one's own making, as anything may be run by unpacking it.
    shared
        The same objects in the same order, on this side.

    Examples
    --------
    >>> table = list(range(1000))
    >>> parcel = pack(("mean", table), [table])
    >>> len(parcel) < 50, unpack(parcel, [table])[1] is table
    (True, True)
    """
    return _Unpacker(io.BytesIO(parcel), shared).load()


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._place = {id(thing): k for k, thing in enumerate(shared)}

    def persistent_id(self, obj: object) -> int | None:
        return self._place.get(id(obj))


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, pid: Any) -> object:
        return self._shared[pid]
