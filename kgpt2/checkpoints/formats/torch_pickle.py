"""The description of tensors inside a PyTorch file, read without running a pickle.

A pickle is a program for a small stack machine, and Python's own machine lets that program call anything. The one here
knows the instructions that `torch.save` writes for a state dict, builds plain values from them, and turns a call into
data: of the functions that a state dict names it knows five, by name, and calls none of them.
Source of the instructions: the standard library's `pickletools`.
"""

import dataclasses
import pickletools
from collections.abc import Iterable
from typing import IO, Any

from kgpt2.errors import RequestError, escaped

# gpt2-xl's state dict is described by 25,000 instructions in 0.1 MB.
MAX_INSTRUCTIONS = 200_000
MAX_BYTES = 16 << 20
MAX_DIMENSIONS = 64  # torch's own limit
_BITS = 128  # of a whole number
# torch's storage classes that hold numbers, and the type of the numbers.
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_FUNCTIONS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_parameter_with_state"),
    ("torch", "Size"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "INT", "LONG", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES"),
}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function that the pickle names; never looked up."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: the key of the storage, its type and how many numbers it has."""

    key: str
    dtype: str
    size: int


@dataclasses.dataclass(frozen=True)
class TensorView:
    """A tensor as a view into a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(file: IO[bytes], where: str) -> object:
    """The value that a pickle describes; the file is left right behind it.

    Args:
        file: positioned at the pickle.
        where: the name of the file, for errors.

    Returns:
        Plain values; tensors as `TensorView`, classes and functions as `Name`.

    Raises:
        RequestError: the pickle is broken, or does anything that a file of weights does not.

    Example:
        >>> import io, pickle
        >>> read_pickle(io.BytesIO(pickle.dumps({"step": 3}, protocol=2)), "model.bin")
        {'step': 3}
    """
    machine = _Machine(where)
    try:
        instructions = pickletools.genops(_Bounded(file, where))  # type: ignore[arg-type]  # it only reads and tells
        for number, (operation, argument, _) in enumerate(instructions):
            if number == MAX_INSTRUCTIONS:
                raise RequestError(f"{where}: refused, the description of its tensors is too large")
            machine.run(operation.name, argument)
        return machine.result()
    except RequestError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise RequestError(f"{where}: not a PyTorch file that can be read ({escaped(error)})") from None


class _Bounded:
    """A file of which no more than `MAX_BYTES` are read, however much a length in it asks for."""

    def __init__(self, file: IO[bytes], where: str):
        self._file, self._where, self._left = file, where, MAX_BYTES
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        return self._counted(self._file.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._counted(self._file.readline(self._left + 1))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise RequestError(f"{self._where}: refused, the description of its tensors is too large")
        return data


class _Machine:
    """The stack machine; what a MARK sets apart is a stack of its own, so that no instruction looks through another.

    A value may stand in many places of what is built, as pickle's memo allows. So nothing here walks through values:
    that would take time, and memory, that grows exponentially with the size of the file.
    """

    def __init__(self, where: str):
        self.where = where
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> object:
        _require(not self.below)
        (value,) = self.stack
        return value

    def run(self, operation: str, argument: Any) -> None:
        if operation in ("PROTO", "FRAME", "STOP"):
            return
        if operation in _VALUES:
            _require(not isinstance(argument, int) or argument.bit_length() <= _BITS)
            self.stack.append(argument)
        elif operation in _CONSTANTS:
            self.stack.append(_CONSTANTS[operation])
        elif operation in _EMPTY:
            self.stack.append(_EMPTY[operation]())
        elif operation == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif operation in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = self.stack[-1]
        elif operation == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif operation in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[argument])
        else:
            method = getattr(self, f"_{operation.lower()}", None)
            if method is None:
                raise RequestError(
                    f"{self.where}: refused, its pickle uses {operation}, which no file of weights needs"
                )
            method(argument)

    def _pop_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values

    def _tuple(self, _: object) -> None:
        values = self._pop_mark()
        self.stack.append(tuple(values))

    def _tuple1(self, _: object) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, _: object) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _: object) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _list(self, _: object) -> None:
        values = self._pop_mark()
        self.stack.append(values)

    def _dict(self, _: object) -> None:
        values = self._pop_mark()
        self.stack.append(_pairs(zip(values[::2], values[1::2], strict=True)))

    def _append(self, _: object) -> None:
        value = self.stack.pop()
        _require(isinstance(self.stack[-1], list))
        self.stack[-1].append(value)

    def _appends(self, _: object) -> None:
        values = self._pop_mark()
        _require(isinstance(self.stack[-1], list))
        self.stack[-1].extend(values)

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _require(isinstance(self.stack[-1], dict))
        self.stack[-1].update(_pairs([(key, value)]))

    def _setitems(self, _: object) -> None:
        values = self._pop_mark()
        _require(isinstance(self.stack[-1], dict))
        self.stack[-1].update(_pairs(zip(values[::2], values[1::2], strict=True)))

    def _pop(self, _: object) -> None:
        self.stack.pop()

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        _require(isinstance(module, str) and isinstance(name, str))
        if (module, name) not in _FUNCTIONS and not (module == "torch" and name in STORAGES):
            raise RequestError(
                f"{self.where}: refused, its pickle names {escaped(module)}.{escaped(name)}, which no file of weights "
                "needs\n"
                "nothing of it was run; save the weights as model.safetensors, or only model.state_dict()"
            )
        self.stack.append(Name(module, name))

    def _binpersid(self, _: object) -> None:
        kind, storage, key, _, size, *_ = self.stack.pop()
        _require(kind == "storage" and isinstance(storage, Name) and storage.name in STORAGES)
        _require(isinstance(key, str) and _is_count(size))
        self.stack.append(Storage(key, STORAGES[storage.name], size))

    def _reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        _require(isinstance(function, Name) and isinstance(arguments, tuple))
        if function.name == "OrderedDict":
            self.stack.append(_pairs(_spent(*arguments)) if arguments else {})
        elif function.name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            self.stack.append(arguments[0])
        elif function.name == "Size":
            (sizes,) = arguments
            _require(isinstance(sizes, list | tuple) and len(sizes) <= MAX_DIMENSIONS)
            self.stack.append(tuple(sizes))
        else:
            self.stack.append(_tensor_view(*arguments[:4]))

    def _build(self, _: object) -> None:
        # torch hangs `_metadata` on the state dict: versions of modules, nothing that weights need.
        self.stack.pop()
        _require(isinstance(self.stack[-1], dict))


def _tensor_view(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> TensorView:
    _require(isinstance(storage, Storage) and _is_count(offset))
    _require(isinstance(shape, tuple) and isinstance(strides, tuple))
    _require(len(shape) == len(strides) <= MAX_DIMENSIONS)
    _require(all(map(_is_count, shape + strides)))
    return TensorView(storage, offset, shape, strides)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _spent(pairs: list[Any]) -> list[Any]:
    """The pairs of a dictionary (Python 2's way to pickle one), which cannot be had a second time from the memo."""
    _require(isinstance(pairs, list))
    taken = pairs[:]
    pairs.clear()
    return taken


def _pairs(pairs: Iterable[Any]) -> dict[Any, Any]:
    """A dictionary with plain keys: the hash of a tuple is computed from all that it holds, again for each place."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        _require(isinstance(key, str | int | float | None))
        found[key] = value
    return found


def _require(good: bool) -> None:
    if not good:
        raise ValueError("its pickle does not describe tensors")
