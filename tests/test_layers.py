"""The layers hold: who may import whom is read off the code's own imports."""

import ast
from functools import cache
from pathlib import Path

import pytest

import batcher

ROOT = Path(batcher.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

ALLOWED = {
    "errors": set(),
    "model": set(),
    "rules": {"errors", "model", "rules"},
    "options": {"errors", "model", "rules", "options"},
    "edges": {"errors", "model", "rules"},
    "flow": {"errors", "model", "rules", "flow"},
    "emulator": {"errors", "model", "rules.service.signing", "rules.text", "options", "emulator"},
    "app": {"errors", "model", "rules", "options", "edges", "flow", "app"},
    "library": {"errors", "model", "rules", "options", "edges", "flow", "app", "library"},
    "cli": {"errors", "model", "rules", "options", "edges", "flow", "emulator", "app", "cli"},
}
IMPURE = {"asyncio", "os", "pathlib", "random", "socket", "sqlite3", "subprocess", "threading", "time", "aiohttp"}


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return [*ast.walk(ast.parse(path.read_text()))]


@cache
def _imports(path: Path) -> frozenset[str]:
    names = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _edge(module: str) -> str:
    return ".".join(module.split(".")[:3])


def _wrong_imports(path: Path) -> set[str]:
    room = _room(path)
    if room in {"__init__", "__main__"}:
        return set()
    allowed = {f"batcher.{name}" for name in ALLOWED[room]}
    if room == "edges":
        # An edge of several files may import its own files, and no other edge.
        allowed.add("batcher.edges." + path.relative_to(ROOT).parts[1].removesuffix(".py"))
    ours = {name for name in _imports(path) if name.split(".")[0] == "batcher"} - {"batcher", "batcher.__version__"}
    # `from batcher.rules import x` names both the package and the module; the finer name decides.
    wrong = {name for name in ours if not any(name == good or name.startswith(good + ".") for good in allowed)}
    return wrong - {name for name in wrong if any(good.startswith(name + ".") for good in allowed)}


# One test for all modules: the tests are divided among processes, and each would parse every module.
def test_a_module_imports_only_from_the_layers_below_it():
    assert {path: wrong for path in MODULES if (wrong := _wrong_imports(path))} == {}


def test_a_rule_touches_no_clock_chance_environment_or_disk():
    rules = [path for path in MODULES if _room(path) == "rules"]
    touched = {path: {name.split(".")[0] for name in _imports(path)} & IMPURE for path in rules}
    assert {path: names for path, names in touched.items() if names} == {}


def test_a_module_says_what_it_owns_and_stays_under_400_lines():
    assert [path for path in MODULES if not ast.get_docstring(_nodes(path)[0])] == []
    assert [path for path in MODULES if len(path.read_text().splitlines()) >= 400] == []


OF_A_DIALECT = ("answers", "obs_v2", "obs_v2_errors", "dwr_v3", "dwr_v3_errors", "dwr_v3_list", "sdk_signing")
DIALECTS = {f"batcher.rules.service.{name}" for name in OF_A_DIALECT}


def test_whoever_asks_the_service_reads_no_body_and_does_not_know_its_dialect():
    asking = [path for path in MODULES if _room(path) in {"app", "cli", "flow", "library", "options"}]
    reads_body = [
        path for path in asking if any(isinstance(node, ast.Attribute) and node.attr == "body" for node in _nodes(path))
    ]
    assert reads_body == []
    assert [path for path in asking if _imports(path) & DIALECTS] == []


@pytest.mark.parametrize("dialect", ["obs_v2", "dwr_v3"])
def test_one_module_chooses_the_dialect(dialect):
    assert [path.name for path in MODULES if f"batcher.rules.service.{dialect}" in _imports(path)] == ["dialects.py"]


def test_only_one_module_knows_tenacity_and_one_edge_knows_the_http_client():
    tenacity = {path.relative_to(ROOT).as_posix() for path in MODULES if "tenacity" in _imports(path)}
    client = {
        path.parent.relative_to(ROOT).as_posix()
        for path in MODULES
        if any(name.split(".")[0] == "aiohttp" for name in _imports(path)) and _room(path) != "emulator"
    }
    assert tenacity == {"flow/attempts.py"}
    assert client == {"edges/transport"}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other_in_a_circle():
    known = {_module(path) for path in MODULES}
    # What is imported within a function is imported late for speed, and counts like any other import. The package
    # itself only names what the library offers.
    arrows = {_module(path): (_imports(path) & known) - {_module(path), "batcher"} for path in MODULES}
    packages = {_module(path) for path in MODULES if path.name == "__init__.py"}
    for name in packages:
        # A module of a package imports the package by name; that is no circle.
        for module, below in arrows.items():
            if module.startswith(f"{name}."):
                below.discard(name)
    left = dict(arrows)
    while free := [name for name, below in left.items() if not below & left.keys()]:
        for name in free:
            del left[name]
    assert {name: sorted(below & left.keys()) for name, below in left.items()} == {}
