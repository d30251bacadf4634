"""Small mistakes that somebody could make in a module, one at a time.

A mutant is one change of one place of the syntax tree. Lines stay where they are, so that what a test reaches can be
told by line numbers. Left alone are annotations, docstrings, decorators, imports and texts: what a sentence of the
log says is for people to judge.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
}
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LEFT_ALONE = frozenset({"annotation", "returns", "decorator_list", "bases", "type_comment", "ctx"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        where: the function, class, field or constant it is in, or "<module>".
        change: what became of what; unique in its place.
        lines: of the statement that is changed (without the body of one that has a body).
        at_import: whether it takes effect when the module is imported, and not when a function is called.
    """

    where: str
    change: str
    lines: range
    at_import: bool
    parent: ast.AST = field(repr=False)
    slot: str = field(repr=False)
    index: int | None = field(repr=False)
    replacement: object = field(repr=False)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts, the tree has the change."""
        value = getattr(self.parent, self.slot)
        if self.index is None:
            setattr(self.parent, self.slot, self.replacement)
        else:
            before, value[self.index] = value[self.index], self.replacement
        try:
            yield
        finally:
            if self.index is None:
                setattr(self.parent, self.slot, value)
            else:
                value[self.index] = before


class Source:
    """A module's source and its mutants."""

    def __init__(self, path: Path) -> None:
        """Read the file."""
        self.path = path
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self.original = self._compiled()
        self.mutants = _numbered(list(_Walk().of(self._tree)))

    def code(self, mutant: Mutant) -> CodeType:
        """The module with one change, compiled."""
        with mutant.applied():
            return self._compiled()

    def _compiled(self) -> CodeType:
        return compile(ast.fix_missing_locations(self._tree), str(self.path), "exec", dont_inherit=True)


def _numbered(mutants: list[Mutant]) -> list[Mutant]:
    """Tell equal changes in one place apart: the second is called `... #2`."""
    seen: Counter[tuple[str, str]] = Counter()
    told = []
    for mutant in mutants:
        seen[mutant.where, mutant.change] += 1
        number = seen[mutant.where, mutant.change]
        change = mutant.change if number == 1 else f"{mutant.change} #{number}"
        values = (mutant.lines, mutant.at_import, mutant.parent, mutant.slot, mutant.index, mutant.replacement)
        told.append(Mutant(mutant.where, change, *values))
    return told


class _Walk:
    """Where the walk through a tree is."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._lines = range(0)
        self._in_function = False

    def of(self, node: ast.AST) -> Iterator[Mutant]:
        """The mutants of everything below a node."""
        for slot, value in ast.iter_fields(node):
            if slot in _LEFT_ALONE:
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    yield from self._at(node, slot, index, child)

    def _at(self, parent: ast.AST, slot: str, index: int | None, node: ast.AST) -> Iterator[Mutant]:
        before = (self._lines, self._in_function)
        if isinstance(node, ast.stmt):
            self._lines = _header(node)
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from self._definition(node)
        elif (name := _name_given(node)) and not self._in_function:
            self._names.append(name)
            yield from self._changed(parent, slot, index, node)
            self._names.pop()
        else:
            yield from self._changed(parent, slot, index, node)
        self._lines, self._in_function = before

    def _changed(self, parent: ast.AST, slot: str, index: int | None, node: ast.AST) -> Iterator[Mutant]:
        for replacement in _changes(node, parent):
            where = ".".join(self._names) or "<module>"
            at_import = not self._in_function
            yield Mutant(where, _told(node, replacement), self._lines, at_import, parent, slot, index, replacement)
        yield from self.of(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[Mutant]:
        self._names.append(node.name)
        if not isinstance(node, ast.ClassDef):
            yield from self.of(node.args)
            self._in_function = True
        for index, child in enumerate(node.body):
            if not _is_docstring(child):
                yield from self._at(node, "body", index, child)
        self._names.pop()


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _header(node: ast.stmt) -> range:
    body = getattr(node, "body", None)
    end = max(node.lineno, body[0].lineno - 1) if body else (node.end_lineno or node.lineno)
    return range(node.lineno, end + 1)


def _name_given(node: ast.AST) -> str | None:
    """What an assignment outside of functions gives a value to: a constant or a field."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return None


def _told(node: ast.AST, replacement: ast.AST) -> str:
    match node, replacement:
        case ast.Call(keywords=before), ast.Call(keywords=after) if len(after) < len(before):
            (missing,) = set(before) - set(after)
            return f"{_text(missing)} → nothing"
    return f"{_text(node)} → {_text(replacement)}"


def _text(node: object) -> str:
    text = "nothing" if isinstance(node, ast.Pass) else ast.unparse(node)  # type: ignore[arg-type]  # reason: it is a node
    text = " ".join(text.split("\n", 1)[0].split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-27:]}"


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    if isinstance(node, ast.stmt):
        yield from (ast.copy_location(new, node) for new in _changed_statement(node))
    elif isinstance(node, ast.expr):
        yield from (ast.copy_location(new, node) for new in _changed_expression(node))
        if _is_condition(node, parent) and not isinstance(node, ast.Compare | ast.UnaryOp | ast.Constant):
            yield ast.copy_location(ast.UnaryOp(ast.Not(), node), node)


def _is_condition(node: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, ast.If | ast.While | ast.IfExp):
        return parent.test is node
    return isinstance(parent, ast.comprehension) and node in parent.ifs


def _changed_statement(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.Return(value=value) if value is not None and not _is_nothing(value):
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Assign(targets=targets) if not isinstance(targets[0], ast.Name | ast.Tuple):
            yield ast.Pass()
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield ast.Pass()
    if isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)


def _changed_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for place, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:place], other(), *ops[place + 1 :]], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for place in range(len(values)):
                rest = [*values[:place], *values[place + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _other_values(value))
        case ast.Call(func=ast.Name(id=name)):
            yield from _changed_call(node, name)


def _other_values(value: object) -> tuple[object, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return value + 1, value - 1
        case float():
            return value * 2 or 1.0, value / 2 or -1.0
    return ()


def _changed_call(node: ast.Call, name: str) -> Iterator[ast.Call]:
    if name in _TWINS:
        yield ast.Call(ast.Name(_TWINS[name], ast.Load()), node.args, node.keywords)
    if name == "replace":
        for place in range(len(node.keywords)):
            yield ast.Call(node.func, node.args, [*node.keywords[:place], *node.keywords[place + 1 :]])


def _is_nothing(node: ast.expr) -> bool:
    # Who asks for False takes None as well; the other change of it, to True, says more.
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)
