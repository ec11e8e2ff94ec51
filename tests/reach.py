"""What can run, read off the syntax trees: from a name to every name of this repository that it uses.

A reached function or class reaches each top-level name that its code mentions, wherever that is defined:
through imports, late ones too, through the names that a package hands on, and through `import_module`.
Annotations of arguments are not run and do not count. What is not mentioned is not reached: a module may be
imported for one name, and the rest of it then moves nothing.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.project import ROOT

Name = tuple[str, str]
"""A module and a top-level name in it; `*` is the module as a whole."""

WHOLE = "*"
PACKAGES = ("pipeline", "stages")
_LONGEST_TYPE = 80  # that is written as a text


@dataclass
class Module:
    """A module: what its top-level names are, and what runs when it is imported.

    Attributes:
        defined: Name to the statements that define it.
        imported: Name to where it comes from; `(module, "")` is a module itself.
        run: Statements that define nothing.
    """

    name: str
    path: Path
    tree: ast.Module
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, Name] = field(default_factory=dict)
    run: list[ast.stmt] = field(default_factory=list)

    def __post_init__(self) -> None:
        for statement in _top_level(self.tree.body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imported |= import_names(statement)
            elif names := list(_names(statement)):
                for name in names:
                    self.defined.setdefault(name, []).append(statement)
            else:
                self.run.append(statement)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        if isinstance(statement, ast.If | ast.Try):
            yield from _top_level([*statement.body, *statement.orelse])
        else:
            yield statement


def _names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for it in targets for node in ast.walk(it) if isinstance(node, ast.Name))


def import_names(statement: ast.Import | ast.ImportFrom) -> dict[str, Name]:
    """The names that an import of this repository binds, each with where it comes from."""
    found: dict[str, Name] = {}
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            found[alias.asname or alias.name] = (statement.module or "", alias.name)
        else:
            found[alias.asname or alias.name] = (alias.name, "")
    return {name: place for name, place in found.items() if place[0].split(".")[0] in PACKAGES}


def read_modules(root: Path, packages: Sequence[str]) -> dict[str, Module]:
    """Every module of the packages below `root`, by its dotted name."""
    modules = {}
    for path in (path for package in packages for path in sorted((root / package).rglob("*.py"))):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path.relative_to(root), ast.parse(path.read_text("utf-8")))
    return modules


class Reach:
    """Follows names through the modules of a repository."""

    def __init__(self, root: Path = ROOT, packages: Sequence[str] = PACKAGES) -> None:
        self.root, self.modules = root, read_modules(root, packages)
        self._known: dict[Name, list[Name]] = {}

    def names(self, start: Iterable[Name]) -> set[Name]:
        """All that can run from `start`, defined names only; without what lies in `start` itself."""
        reached: set[Name] = set()
        waiting = [place for name in start for place in self._places(name)]
        while waiting:
            place = waiting.pop()
            if place not in reached:
                reached.add(place)
                waiting += self._used_by(place)
        return reached

    def files(self, start: Iterable[Name]) -> set[str]:
        """The files in which `names` are defined, and the files beside them that they name in a text.

        A file of data belongs to the package that it lies in: code of another one asks that package.
        """
        names = self.names(start)
        texts: dict[str, set[str]] = {}
        for module, name in names:
            texts.setdefault(module, set()).update(
                text.value.split("/")[0]
                for statement in self.modules[module].defined[name]
                for text in ast.walk(statement)
                if isinstance(text, ast.Constant) and isinstance(text.value, str)
            )
        found = {self.modules[module].path.as_posix() for module in texts}
        for package, entry, path in self._data():
            if any(module.startswith(package) and entry in said for module, said in texts.items()):
                found.add(path)
        return found

    def mentioned(self) -> set[Name]:
        """Every name that code other than its own mentions, in annotations and in texts too."""
        found: set[Name] = set()
        for module in self.modules.values():
            for own, statements in [*module.defined.items(), ("", module.run)]:
                for statement in statements:
                    names = _Mentions(self, module, everywhere=True).of(statement) - {(module.name, own)}
                    found.update(place for name in names for place in self._places(name))
        return found

    def imports(self) -> dict[str, set[str]]:
        """The modules that each module imports when it is imported itself."""
        edges: dict[str, set[str]] = {name: set() for name in self.modules}
        for module in self.modules.values():
            for source, name in module.imported.values():
                inner = f"{source}.{name}"
                hidden = source in self.modules and name in self.modules[source].defined
                edges[module.name].add(inner if inner in self.modules and not hidden else source)
        return edges

    def _data(self) -> Iterator[tuple[str, str, str]]:
        """Each file that is no code: its package, its first name in there, and its path."""
        packages = {it.path.parent: it.name for it in self.modules.values() if it.path.stem == "__init__"}
        for path in (path for package in PACKAGES for path in (self.root / package).rglob("*.*")):
            if path.is_file() and path.suffix not in (".py", ".pyc", ".md"):
                inside = path.relative_to(self.root)
                owner = next(folder for folder in inside.parents if folder in packages)
                yield packages[owner], inside.relative_to(owner).parts[0], inside.as_posix()

    def _places(self, name: Name) -> list[Name]:
        """Where a name is defined; a module that is used as a value is used as a whole."""
        module, wanted = self.modules.get(name[0]), name[1]
        if module is None or wanted == "":
            return []
        if wanted == WHOLE:
            return [(module.name, own) for own in module.defined]
        if wanted in module.defined:
            return [(module.name, wanted)]
        if module.imported.get(wanted, name) != name:
            return self._places(module.imported[wanted])
        return self._inside(module, wanted)

    def _inside(self, package: Module, wanted: str) -> list[Name]:
        """Of a name that a package has without naming it: a module of it, or what it imports late."""
        if f"{package.name}.{wanted}" in self.modules:
            return self._places((f"{package.name}.{wanted}", WHOLE))
        inside = [it for it in self.modules.values() if it.name.startswith(f"{package.name}.")]
        late = [(package.name, "__getattr__"), *((it.name, wanted) for it in inside if wanted in it.defined)]
        return late if "__getattr__" in package.defined else []

    def _used_by(self, place: Name) -> list[Name]:
        if place not in self._known:
            module = self.modules[place[0]]
            self._known[place] = [
                found
                for statement in [*module.defined[place[1]], *module.run]
                for name in _Mentions(self, module).of(statement)
                for found in self._places(name)
            ]
        return self._known[place]


class _Mentions(ast.NodeVisitor):
    """The names of the repository that a statement mentions: in what is run, or everywhere."""

    def __init__(self, reach: Reach, module: Module, *, everywhere: bool = False) -> None:
        self._modules, self._module, self._everywhere = reach.modules, module, everywhere
        self._bound = dict(module.imported)
        self._found: set[Name] = set()

    def of(self, statement: ast.stmt) -> set[Name]:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._bound |= import_names(node)
        self.visit(statement)
        return self._found

    def _add(self, node: ast.expr) -> bool:
        """Note what a name or a dotted name stands for; false where it is none of ours."""
        path: list[str] = []
        while isinstance(node, ast.Attribute):
            path.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return False
        if node.id not in self._bound:
            self._found.add((self._module.name, node.id))
            return True
        module, name = self._bound[node.id]
        for part in [*([name] if name else []), *path]:
            if self._is_name(module, part):
                self._found.add((module, part))
                return True
            module = f"{module}.{part}"
        self._found.add((module, WHOLE))
        return True

    def _is_name(self, module: str, part: str) -> bool:
        """Whether `part` of a module is a name in it; a name of a package hides its module of that name."""
        found = self._modules.get(module)
        named = found is None or part in found.defined or part in found.imported
        return named or f"{module}.{part}" not in self._modules

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not self._add(node):
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._add(node)

    def visit_arguments(self, node: ast.arguments) -> None:
        if self._everywhere:
            self.generic_visit(node)
        for default in [*node.defaults, *(it for it in node.kw_defaults if it)]:
            self.visit(default)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        returned = [node.returns] if self._everywhere and node.returns else []
        for part in [*node.decorator_list, node.args, *returned, *node.body]:
            self.visit(part)

    def visit_Constant(self, node: ast.Constant) -> None:
        if self._everywhere and isinstance(node.value, str) and len(node.value) < _LONGEST_TYPE:
            with suppress(SyntaxError):
                self.visit(ast.parse(node.value, mode="eval").body)

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).endswith("import_module"):
            self._found |= {(name, WHOLE) for name in self._named(node.args[0])}
        self.generic_visit(node)

    def _named(self, text: ast.expr) -> list[str]:
        """The modules of this repository whose names `import_module` may get."""
        starts = [""]
        for part in text.values if isinstance(text, ast.JoinedStr) else [text]:
            options = self._options(part.value if isinstance(part, ast.FormattedValue) else part)
            if options is None:
                return [it for it in self._modules if any(start and it.startswith(start) for start in starts)]
            starts = [start + option for start in starts for option in options]
        return [start for start in starts if start.split(".")[0] in PACKAGES]

    def _options(self, part: ast.expr) -> list[str] | None:
        match part:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.Name(id="__name__"):
                return [self._module.name]
            case ast.IfExp(body=ast.Constant(value=str(one)), orelse=ast.Constant(value=str(other))):
                return [one, other]
        return None
