"""The small mistakes that benchmarks/mutants.py makes: each replaces one expression or statement.

mutant, = chosen(1, 0, {"losses": [root / "numgan/losses/adversarial.py"]}, root)   file, bytes, new text
mutated(source, mutant)                                                 the file's bytes with the mistake
"""

import ast
import copy
import random
from collections import defaultdict

SWAPPED = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult],
    ast.Mod: [ast.FloorDiv],
    ast.Pow: [ast.Mult],
    ast.BitOr: [ast.BitAnd],
    ast.BitAnd: [ast.BitOr],
    ast.LShift: [ast.RShift],
    ast.RShift: [ast.LShift],
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}
PAIRS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("any", "all"),
    ("floor", "ceil"),
    ("zeros", "ones"),
    ("sum", "mean"),
    ("zeros_like", "ones_like"),
    ("sqrt", "square"),
    ("exp", "log"),
    ("mean", "sum"),
    ("tanh", "sin"),
    ("sum", "prod"),
    ("log1p", "log"),
    ("expm1", "exp"),
    ("is_file", "is_dir"),
    ("append", "extend"),
    ("startswith", "endswith"),
]
SYMMETRIC = {"min", "max", "minimum", "maximum", "add", "array_equal", "result_type"}  # in any order
NAMES = defaultdict(list)
for one, two in PAIRS:
    NAMES[one].append(two)
    NAMES[two].append(one)


def variants(node, names):
    """The nodes that can replace one node, each a mistake. names are the argument names of its function."""

    def changed(**values):
        new = copy.copy(node)
        for name, value in values.items():
            setattr(new, name, value)
        return new

    match node:
        case ast.BinOp(op=op, left=left, right=right):
            yield from (changed(op=new()) for new in SWAPPED.get(type(op), ()))
            if isinstance(op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv)):
                yield changed(left=right, right=left)
            yield left
        case ast.Compare(ops=[op, *more]):
            yield from (changed(ops=[new(), *more]) for new in SWAPPED.get(type(op), ()))
        case ast.BoolOp(op=op, values=values):
            yield changed(op=SWAPPED[type(op)][0]())
            for i in range(len(values)):
                yield changed(values=values[:i] + values[i + 1 :]) if len(values) > 2 else values[1 - i]
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield changed(value=not value)
        case ast.Constant(value=int() as value):
            yield from (changed(value=other) for other in (value + 1, value - 1))
        case ast.Constant(value=float() as value):
            yield from (
                changed(value=other) for other in (2 * value or 1.0, value + 1, 0.0) if other != value
            )
        case ast.Call(func=func, args=args, keywords=keywords):
            for i in range(len(args) - 1 if ast.unparse(func).split(".")[-1] not in SYMMETRIC else 0):
                one, two = args[i : i + 2]
                if (
                    not isinstance(one, ast.Starred)
                    and not isinstance(two, ast.Starred)
                    and ast.dump(one) != ast.dump(two)
                ):
                    yield changed(args=[*args[:i], args[i + 1], args[i], *args[i + 2 :]])
            yield from (changed(keywords=keywords[:i] + keywords[i + 1 :]) for i in range(len(keywords)))
            for i, arg in enumerate(args):
                if isinstance(arg, ast.Name) and arg.id in names:
                    others = (ast.Name(other) for other in names if other not in (arg.id, "self"))
                    yield from (changed(args=[*args[:i], other, *args[i + 1 :]]) for other in others)
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield from (changed(id=other) for other in NAMES[name])
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in NAMES:
            yield from (changed(attr=other) for other in NAMES[name])
        case ast.Slice(lower=lower, upper=upper):
            for bound in ("lower", "upper"):
                value = getattr(node, bound)
                if value is not None:
                    yield changed(**{bound: None})
                    yield changed(**{bound: ast.BinOp(value, ast.Add(), ast.Constant(1))})
            if lower is None and upper is None:
                yield changed(lower=ast.Constant(1))
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Return(value=ast.Tuple(elts=elts) as value):
            for i in range(len(elts) - 1):
                yield changed(value=ast.Tuple([*elts[:i], elts[i + 1], elts[i], *elts[i + 2 :]], value.ctx))
        case ast.AugAssign(op=op):
            yield from (changed(op=new()) for new in SWAPPED.get(type(op), ())[:1])
            yield ast.Pass()
        case ast.Expr(value=ast.Call()) | ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()


def _condition_of(node):
    """(condition, replacement) for an if or while. It becomes `not` condition; in an if also True, False."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield node.test, ast.UnaryOp(ast.Not(), node.test)
        if not isinstance(node, ast.While):
            yield from ((node.test, ast.Constant(value)) for value in (True, False))


def sites(tree):
    """[(node, statement around it, [nodes that replace it])] of a file, in order."""
    found = defaultdict(list)

    def visit(node, names, statement):
        if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Global, ast.Assert)):
            return
        if isinstance(node, ast.FunctionDef):
            arguments = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if node.name in ("__repr__", "__str__", "arguments", "summary") or "width" in arguments:
                return
            for child in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
                visit(child, arguments, node)
            return
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                visit(node.value, names, node)
            return
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                visit(child, names, child)
            return
        if isinstance(node, ast.stmt):
            statement = node
        new = list(variants(node, names))
        if new:
            found[node] = (statement, new)
        for test, other in _condition_of(node):
            if test not in found:
                found[test] = (statement, list(variants(test, names)))
            found[test][1].append(other)
        for child in ast.iter_child_nodes(node):
            if child in found and isinstance(node, (ast.If, ast.While, ast.IfExp)) and child is node.test:
                for grandchild in ast.iter_child_nodes(child):
                    visit(grandchild, names, statement)
            elif not (isinstance(child, ast.Constant) and isinstance(child.value, str)):
                visit(child, names, statement)

    visit(tree, [], tree)
    return [(node, statement, new) for node, (statement, new) in found.items()]


def mutants(chapter, path):
    """The lists of mutants of a file: one list for each node that can be replaced."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, statement, new in sites(ast.parse(source)):
        begin, end = (
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
        )
        last = node.end_lineno if hasattr(statement, "body") else statement.end_lineno
        here = [
            {
                "chapter": chapter,
                "file": path,
                "line": node.lineno,
                "last": node.end_lineno,
                "statement": [statement.lineno, last],
                "begin": begin,
                "end": end,
                "text": text,
            }
            for text in dict.fromkeys(map(_text, new))
            if text.encode() != source[begin:end]
        ]
        if here:
            yield here


def _text(node):
    text = ast.unparse(ast.fix_missing_locations(node))
    return (
        f"({text})"
        if isinstance(node, (ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp, ast.IfExp))
        else text
    )


def chosen(number, seed, files, root):
    """Choose `number` random mutants of the files {chapter: [paths]}, at different nodes.

    Each gets its old and new source lines, and a name that depends only on the source.
    """
    rng = random.Random(seed)
    every = [here for chapter, paths in files.items() for path in paths for here in mutants(chapter, path)]
    for here in rng.sample(every, min(number, len(every))):
        mutant = rng.choice(here)
        source = mutant["file"].read_bytes()
        new, lines = mutated(source, mutant), source.splitlines(keepends=True)
        try:
            ast.parse(new)
        except SyntaxError:
            continue
        first, last = mutant["line"] - 1, mutant["last"]
        more = len(new.splitlines()) - len(lines)
        mutant["file"] = str(mutant["file"].relative_to(root))
        mutant["old"] = b"".join(lines[first:last]).decode().strip()
        mutant["new"] = b"".join(new.splitlines(keepends=True)[first : last + more]).decode().strip()
        mutant["name"] = f"{mutant['file']}:{mutant['begin']}:{mutant['end']}:{mutant['text']}"
        yield mutant


def mutated(source, mutant):
    """The bytes of a source file with the mutant's text in place."""
    return source[: mutant["begin"]] + mutant["text"].encode() + source[mutant["end"] :]
