"""A walk over the opcodes of one pickle with a symbolic stack: nothing is imported, called or made.

Source: ``pickletools`` and ``pickle`` of Python 3.11 to 3.13, protocols 0 to 5. Where the readers in C and Python differ, the
pickle is called broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from modelpack.scan.looking import Budget
from modelpack.scan.pickles.allowed import judge
from modelpack.scan.pickles.memo import Memo
from modelpack.scan.pickles.opcodes import OPCODES, STOP
from modelpack.scan.pickles.tape import Broken, Tape
from modelpack.scan.pickles.values import MARK, UNKNOWN, Made, Name, Table, Value, small_tuple, wrapped_array

_TEXT = 512
_WRAPPER = Name("joblib.numpy_pickle", "NumpyArrayWrapper")
_MAX_STACK = 20_000_000
_SPENT_AT_ONCE = 4096
_MAX_NESTED = 20


@dataclass(slots=True)
class Walk:
    """What one pickle was found to do. ``broken`` says why it could not be followed to its end; empty if it could."""

    found: list[tuple[str, int, str]] = field(default_factory=list)
    broken: str = ""
    calls: int = 0
    names: int = 0
    wrapped: bool = False

    def add(self, code: str, at: int, message: str) -> None:
        """Note a finding; equal ones once, and not without bound."""
        if len(self.found) < 200 and all((code, message) != (known, said) for known, _, said in self.found):
            self.found.append((code, at, message))


def walk_pickle(tape: Tape, budget: Budget, *, arrays: bool, torchscript: bool) -> Walk:
    """Walk over one pickle, to its end mark or to where it is no pickle any more. Raises TooMuch.

    ``arrays`` is whether joblib reads it, which puts raw arrays between the opcodes.
    """
    walk = Walk()
    try:
        _Machine(tape, budget, arrays=arrays, torchscript=torchscript, walk=walk).run()
    except Broken as error:
        walk.broken = error.reason
    return walk


class _Machine:
    """The stack, the memo, and what each opcode does to them."""

    def __init__(
        self, tape: Tape, budget: Budget, *, arrays: bool, torchscript: bool, walk: Walk, depth: int = 0
    ) -> None:
        self.tape = tape
        self.walk = walk
        self._budget = budget
        self._arrays = arrays
        self._torchscript = torchscript
        self._depth = depth
        self._stack: list[Value] = []
        self._marks: list[int] = []
        self._memo = Memo()
        self._at = 0

    def run(self) -> None:
        """Walk to the end mark. Raises Broken, TooMuch."""
        tape, steps = self.tape, 0
        while True:
            self._at = tape.position
            opcode = tape.byte()
            steps += 1
            if steps % _SPENT_AT_ONCE == 0:
                self._budget.spend("opcodes", _SPENT_AT_ONCE)
                if len(self._stack) > _MAX_STACK:
                    raise Broken("the stack grows without end")
            if opcode == STOP:
                self._budget.spend("opcodes", steps % _SPENT_AT_ONCE)
                self._pop()
                return
            action = _ACTIONS.get(opcode)
            if action is None:
                raise Broken(f"byte {opcode:#04x} at {self._at} is no opcode")
            action(self)

    # the stack

    def _pop(self) -> Value:
        floor = self._marks[-1] + 1 if self._marks else 0
        if len(self._stack) <= floor:
            raise Broken(f"the stack is empty at byte {self._at}")
        return self._stack.pop()

    def _top(self) -> Value:
        value = self._pop()
        self._stack.append(value)
        return value

    def _push(self, value: Value) -> None:
        self._stack.append(value)

    def _pop_mark(self) -> list[Value]:
        if not self._marks:
            raise Broken(f"there is no mark at byte {self._at}")
        begin = self._marks.pop()
        items = self._stack[begin + 1 :]
        del self._stack[begin:]
        return items

    def mark(self) -> None:
        self._marks.append(len(self._stack))
        self._push(MARK)

    def pop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack) - 1:
            self._pop_mark()
        else:
            self._pop()

    def pop_mark(self) -> None:
        self._pop_mark()

    def dup(self) -> None:
        self._push(self._top())

    # names and calls

    def _name(self, module: Value | None, name: Value | None) -> None:
        self.walk.names += 1
        if not isinstance(module, str) or not isinstance(name, str):
            self._find("SCAN-PICKLE-NAME", "imports something whose name is computed, too long or not text")
            self._push(UNKNOWN)
            return
        code = judge(module, name, torchscript=self._torchscript)
        if code:
            self._find(code, f"imports {module[:100]}.{name[:100]}")
        self._push(Name(module, name))

    def global_(self) -> None:
        module, name = (_utf8(self.tape.line()) for _ in range(2))
        self._name(module, name)

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._name(module, name)

    def extension(self, length: int) -> None:
        number = self.tape.number(length)
        self._find("SCAN-PICKLE-EXTENSION", f"imports extension {number}")
        self._push(UNKNOWN)

    def _called(self, what: Value, arguments: Value) -> None:
        self.walk.calls += 1
        if isinstance(what, Name):
            self._push(Made(what, arguments))
            return
        self._find("SCAN-PICKLE-CALL", "calls something that it did not import by name")
        self._push(UNKNOWN)

    def reduce(self) -> None:
        arguments, what = self._pop(), self._pop()
        self._called(what, arguments)

    def newobj_ex(self) -> None:
        self._pop()
        self.reduce()

    def obj(self) -> None:
        items = self._pop_mark()
        if not items:
            raise Broken(f"no class for OBJ at byte {self._at}")
        self._called(items[0], small_tuple(items[1:]))

    def inst(self) -> None:
        module, name = (_utf8(self.tape.line()) for _ in range(2))
        self._name(module, name)  # Python's own reader imports before it looks for the mark
        what = self._stack.pop()
        self._called(what, small_tuple(self._pop_mark()))

    def build(self) -> None:
        state, made = self._pop(), self._top()
        self.walk.calls += 1
        self._change(made)
        if isinstance(made, Made):
            made.state = state
            if made.what == _WRAPPER:
                self.walk.wrapped = True
                if self._arrays:
                    self._array(made)

    def _change(self, target: Value) -> None:
        """An imported class or function is no place to put things."""
        if isinstance(target, Name):
            self._find("SCAN-PICKLE-CALL", f"changes {target.module[:100]}.{target.name[:100]}")

    def _array(self, made: Made) -> None:
        """Step over an array that joblib wrote behind its wrapper."""
        told = wrapped_array(made)
        if told is None:
            raise Broken(f"an array of joblib at byte {self._at} does not tell its size")
        length, padded, pickled = told
        if pickled:
            if self._depth == _MAX_NESTED:
                raise Broken("pickles in pickles without end")
            inner = _Machine(
                self.tape, self._budget, arrays=True, torchscript=False, walk=self.walk, depth=self._depth + 1
            )
            inner.run()
        if padded:
            self.tape.skip(self.tape.byte())
        self.tape.skip(length)

    def _find(self, code: str, message: str) -> None:
        self.walk.add(code, self._at, message)

    # values

    def constant(self, value: Value = UNKNOWN) -> None:
        self._push(value)

    def integer(self, length: int) -> None:
        self._push(int.from_bytes(self.tape.take(length), "little", signed=length == 4))

    def skipped(self, length: int) -> None:
        self.tape.skip(length)
        self._push(UNKNOWN)

    def line_value(self) -> None:
        self.tape.line()
        self._push(UNKNOWN)

    def long_line(self) -> None:
        line = self.tape.line()
        self._push(int(line) if line.isdigit() and len(line) < 20 else UNKNOWN)

    def persistent(self) -> None:
        self._pop()
        self._push(UNKNOWN)

    def counted(self, length: int) -> None:
        self.skipped(self.tape.number(length))

    def text(self, length: int) -> None:
        size = self.tape.number(length)
        if size > _TEXT:
            self.skipped(size)
        else:
            self._text(_utf8(self.tape.take(size)))

    def _text(self, text: str | None) -> None:
        self._push(UNKNOWN if text is None else self._memo.afford(text))

    def quoted(self) -> None:
        line = self.tape.line()
        if len(line) < 2 or line[0] != line[-1] or line[0] not in b"\"'":
            raise Broken(f"text without quotes at byte {self._at}")
        self._text(None if b"\\" in line or len(line) > _TEXT else _utf8(line[1:-1]))

    def raw_unicode(self) -> None:
        line = self.tape.line()
        self._text(None if b"\\" in line or len(line) > _TEXT else line.decode("latin-1"))

    # containers

    def table(self) -> None:
        self._push(Table({}))

    def table_of_items(self) -> None:
        table = Table({})
        _fill(table, self._pop_mark())
        self._push(table)

    def collect(self) -> None:
        self._pop_mark()
        self._push(UNKNOWN)

    def tuple_of_items(self) -> None:
        self._push(small_tuple(self._pop_mark()))

    def tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push(small_tuple(items[::-1]))

    def append(self) -> None:
        self._pop()
        self._change(self._top())

    def appends(self) -> None:
        self._pop_mark()
        self._change(self._top())

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        target = self._top()
        self._change(target)
        if isinstance(target, Table):
            target.put(key, value)

    def set_items(self) -> None:
        items = self._pop_mark()
        target = self._top()
        self._change(target)
        if isinstance(target, Table):
            _fill(target, items)

    # memo

    def put(self, length: int) -> None:
        self._memo.put(self._index(length), self._top())

    def memoize(self) -> None:
        self._memo.put(len(self._memo), self._top())

    def get(self, length: int) -> None:
        self._push(self._memo.get(self._index(length)))

    def _index(self, length: int) -> int:
        if length:
            return self.tape.number(length)
        line = self.tape.line()
        if not line.isdigit() or len(line) > 10:
            raise Broken(f"an odd index of the memo at byte {self._at}")
        return int(line)

    def protocol(self) -> None:
        version = self.tape.byte()
        if version > 5:
            raise Broken(f"protocol {version} is not known")

    def frame(self) -> None:
        self.tape.take(8)

    def read_only(self) -> None:
        self._top()


def _fill(table: Table, items: list[Value]) -> None:
    if len(items) % 2:
        raise Broken("a dictionary with a key that has no value")
    for index in range(0, len(items), 2):
        table.put(items[index], items[index + 1])


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _action(name: str, size: int | None) -> Callable[[_Machine], None]:
    method: Callable[..., None] = getattr(_Machine, name)
    return method if size is None else lambda machine: method(machine, size)


_ACTIONS = {opcode: _action(name, size) for opcode, (name, size) in OPCODES.items()}
