"""Reads a pickle as data: nothing that it names is imported, called or set.

PyTorch's own weights-only loader calls what stands on its list, needs PyTorch, and refuses a file
for one class that is not on the list. Here each call is kept as what it says: a name and arguments.
The opcodes themselves are parsed by the standard library's pickletools.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST_OPCODES = 3_000_000
_LARGEST = 2**28


@dataclass(frozen=True)
class Named:
    """A class or function that a pickle names.

    Attributes:
        name: Its module and name, separated by a dot.
    """

    name: str


@dataclass(eq=False)
class Made:
    """What a pickle would make by a call.

    Attributes:
        function: What would be called.
        arguments: What with.
        state: What it would be given afterwards.
        items: What would be put into it, in order: pairs, or elements.
    """

    function: Any
    arguments: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class PersistentId:
    """What a pickle refers to outside.

    Attributes:
        entry: How it refers to it.
    """

    entry: Any


def read_pickle(content: bytes) -> Any:
    r"""Return what a pickle describes.

    Args:
        content: The pickle.

    Returns:
        Numbers, texts, lists, tuples, dicts and sets as they are; `Named`, `Made` and
        `PersistentId` for the rest.

    Raises:
        ValueError: If it is damaged, longer than any checkpoint's, or uses what those do not.

    Example:
        >>> import pickle, os
        >>> read_pickle(pickle.dumps({"epoch": 3}))
        {'epoch': 3}
        >>> read_pickle(b"cos\nsystem\n(S'true'\ntR.")
        Made(function=Named(name='os.system'), arguments=('true',), state=None, items=[])
    """
    if len(content) > _LARGEST:
        raise ValueError(f"a pickle of {len(content)} bytes is longer than any checkpoint's")
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if count > _MOST_OPCODES:
            raise ValueError(f"a pickle of more than {_MOST_OPCODES} steps")
        action = _ACTIONS.get(opcode.name)
        if action is None:
            raise ValueError(f"a pickle with the opcode {opcode.name}, which checkpoints lack")
        action(machine, argument)
    if len(machine.stack) != 1:
        raise ValueError("a pickle that ends with other than one object")
    return machine.stack[0]


class _Machine:
    """The stack, the marks on it, and what was memorized."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def above_mark(self) -> list[Any]:
        place = self.marks.pop()
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def take(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise ValueError("a pickle that takes more than there is")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found


def _push(machine: _Machine, value: Any) -> None:
    machine.stack.append(value)


def _mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(len(machine.stack))


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(tuple(machine.take(count)))


def _global(machine: _Machine, argument: str) -> None:
    machine.stack.append(Named(argument.replace(" ", ".", 1)))


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.take(2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("a pickle that names a class by other than a text")
    machine.stack.append(Named(f"{module}.{name}"))


def _call(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(_made(machine.take(count)))


def _made(parts: list[Any]) -> Made:
    return Made(parts[0], parts[1] if len(parts) == 2 else tuple(parts[1:]))


def _build(machine: _Machine, _: Any) -> None:
    (state,) = machine.take(1)
    if isinstance(machine.stack[-1], Made):
        machine.stack[-1].state = state


def _append(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Made):
        target.items.extend(items)
    elif isinstance(target, set):
        target.update(map(_key, items))
    else:
        raise ValueError("a pickle that appends to what is no list")


def _set_items(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if len(items) % 2:
        raise ValueError("a pickle that sets a key without its value")
    pairs = [(_key(items[place]), items[place + 1]) for place in range(0, len(items), 2)]
    if isinstance(target, dict):
        target.update(pairs)
    elif isinstance(target, Made):
        target.items.extend(pairs)
    else:
        raise ValueError("a pickle that sets items of what is no dict")


def _skip(machine: _Machine, _: Any) -> None:
    del machine


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.above_mark()
    machine.stack.append({})
    _set_items(machine, items)


def _key(value: Any) -> Any:
    """Return a key. Tuples within tuples can take any time to hash."""
    plain = str | int | float | bool | bytes | Named | PersistentId | None
    parts = value if isinstance(value, tuple) else (value,)
    if all(isinstance(one, plain) for one in parts):
        return value
    return id(value)


def _put(machine: _Machine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


def _get(machine: _Machine, key: int) -> None:
    machine.stack.append(machine.memo[key])


_Action = Callable[[_Machine, Any], Any]
_ACTIONS: dict[str, _Action] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _skip),
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
            *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
            *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _push,
    ),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "MARK": _mark,
    "POP": lambda machine, _: machine.take(1),
    "POP_MARK": lambda machine, _: machine.above_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.above_mark())),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: machine.stack.append(machine.above_mark()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": _dict,
    "EMPTY_SET": lambda machine, _: machine.stack.append(set()),
    "FROZENSET": lambda machine, _: machine.stack.append(
        frozenset(map(_key, machine.above_mark()))
    ),
    "APPEND": lambda machine, _: _append(machine, machine.take(1)),
    "APPENDS": lambda machine, _: _append(machine, machine.above_mark()),
    "ADDITEMS": lambda machine, _: _append(machine, machine.above_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, machine.take(2)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.above_mark()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call(2),
    "NEWOBJ": _call(2),
    "NEWOBJ_EX": _call(3),
    "OBJ": lambda machine, _: machine.stack.append(_made(machine.above_mark())),
    "BUILD": _build,
    "PERSID": lambda machine, entry: machine.stack.append(PersistentId(entry)),
    "BINPERSID": lambda machine, _: machine.stack.append(PersistentId(machine.take(1)[0])),
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": lambda machine, _: _put(machine, len(machine.memo)),
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
}
