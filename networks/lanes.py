"""Several numbers at a time for compiled loops: a row ``[lane]`` of an array is held in the registers of the processor as a whole.

The compiler that :mod:`numba` drives makes vector instructions of long loops only, and asks before each short one whether its arrays overlap. So what
is done to all lanes is named here: :func:`load` and :func:`store` a row, ``+``, ``-``, ``*``, :func:`largest`, :func:`alike` and
:func:`add_entries`. Every lane is worked out by itself, by the rules of IEEE 754 and in the order that is written.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import models, overload, register_model

if TYPE_CHECKING:
    from collections.abc import Callable

    Codegen = tuple[Any, Callable[..., Any]]

#: Draws of one pass; fewer are filled up with copies of the last one.
LANES = 8

#: Its callers do not pass the first argument of what it marks, which a type checker cannot know.
intrinsic: Any = extending.intrinsic

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_NUMBER = ir.IntType(32)


class _Lanes(types.Type):
    """One number of each lane."""

    def __init__(self) -> None:
        super().__init__(name="lanes")


_LANES = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _check(*arrays: Any) -> None:
    """Refuse to compile for arrays whose rows do not follow each other in memory."""
    for array in arrays:
        if not isinstance(array, types.Array) or array.layout != "C":
            msg = f"rows of lanes are read from C-contiguous arrays only, not from {array}"
            raise TypingError(msg)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return where the numbers of an array begin."""
    return context.make_array(kind)(context, builder, value).data


def _row(context: Any, builder: Any, array: tuple[Any, Any], row: tuple[Any, Any]) -> Any:
    """Return where a row of an array ``[row, lane]`` or ``[lane]`` lies; arrays and rows are pairs of type and value."""
    size = context.get_value_type(types.intp)
    first = builder.mul(context.cast(builder, row[1], row[0], types.intp), ir.Constant(size, LANES))
    return builder.bitcast(builder.gep(_data(context, builder, *array), [first]), _VECTOR.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    """Return the same number in all lanes."""
    none = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(none, value, ir.Constant(_NUMBER, 0))
    return builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(_NUMBER, LANES), [0] * LANES))


@intrinsic
def load(_: Any, array: Any, row: Any) -> Codegen:
    """Return a row of a C-contiguous array ``[row, lane]``."""
    _check(array)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of, at = zip(signature.args, args, strict=True)
        return builder.load(_row(context, builder, of, at), align=8)

    return _LANES(array, row), codegen


@intrinsic
def store(_: Any, array: Any, row: Any, lanes: Any) -> Codegen:
    """Write a row of a C-contiguous array ``[row, lane]``."""
    _check(array)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of, at = zip(signature.args[:2], args[:2], strict=True)
        builder.store(args[2], _row(context, builder, of, at), align=8)
        return context.get_dummy_value()

    return types.void(array, row, lanes), codegen


@intrinsic
def alike(_: Any, number: Any) -> Codegen:  # noqa: ARG001  (numba passes by name what the signature below takes)
    """Return the same number in all lanes."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return _LANES(types.float64), codegen


@intrinsic
def largest(_: Any, one: Any, other: Any) -> Codegen:
    """Return the larger number of each lane."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *args), *args)

    return _LANES(one, other), codegen


@intrinsic
def add_entries(_: Any, sums: Any, amount: Any, index: Any, table: Any, first: Any, last: Any) -> Codegen:
    """Return ``sums + amount[e] * table[index[e]]`` over the entries ``first <= e < last``, in their order."""
    _check(amount, index, table)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        amounts, rows = (_data(context, builder, signature.args[k], args[k]) for k in (1, 2))
        size = context.get_value_type(types.intp)
        begin, end = (context.cast(builder, args[k], signature.args[k], types.intp) for k in (4, 5))
        held = cgutils.alloca_once_value(builder, args[0])
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(size, 1), size) as (entry, _count):
            at = (signature.args[2].dtype, builder.load(builder.gep(rows, [entry])))
            of = builder.load(_row(context, builder, (signature.args[3], args[3]), at), align=8)
            part = builder.fmul(of, _spread(builder, builder.load(builder.gep(amounts, [entry]))))
            builder.store(builder.fadd(builder.load(held), part), held)
        return builder.load(held)

    return _LANES(sums, amount, index, table, first, last), codegen


def _define(symbol: Any, name: str) -> None:
    """Give an operator between lanes its instruction."""

    @intrinsic
    def apply(_: Any, one: Any, other: Any) -> Codegen:
        def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return _LANES(one, other), codegen

    def chosen(one, other):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  (numba compares the signatures, annotations and all)
        if isinstance(one, _Lanes) and isinstance(other, _Lanes):
            return lambda one, other: apply(one, other)  # noqa: PLW0108  (numba compiles a function, not what it made of one)
        return None

    overload(symbol)(chosen)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
