"""The structure that docs/architecture.md draws, read off the code."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kgpt2"
# Imports run down this list, never up.
# Modules that lie in no room, below all of them.
GROUND = (
    *("cache", "drawing", "processor", "outputs", "extras", "writing", "online", "files", "encodings", "locks"),
    *("interrupts", "progress", "errors"),
)
ROOMS = [
    "cli",
    "serve",
    "bench",
    "training",
    "evaluation",
    "generation",
    "publishing",
    "conversion",
    "models",
    "data",
    "verse",
    "checkpoints",
    "config",
    "language",
    "assets",
    *GROUND,
]
# The one way up, inside a method: a Keras task's own `generate` runs on the engine.
HOOKS = {
    ("models/causal_lm.py", "kgpt2.generation.keras.task_generate"),
    ("models/causal_lm.py", "kgpt2.generation.keras.runtime"),
}
WITHOUT_KERAS = (
    "checkpoints",
    "conversion",
    "publishing",
    "data",
    "verse",
    "config",
    "language",
    "assets",
    *GROUND,
    "cli",
    "serve",
)
# The peers that a benchmark measures; each names its own version.
BY_HAND = {"llama_cpp", "ctranslate2", "pypinyin", "datasets"}
# keras-nlp is keras-hub under its first name and brings tensorflow-text; the checker brings its own stubs;
# mlflow-skinny is mlflow without its server.
BROUGHT = {"keras_hub", "tensorflow_text", "mlflow", "_typeshed"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, str]]:
    """Every (module, name) that a file imports from kgpt2, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kgpt2":
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "kgpt2"]
    return found


def declared() -> set[str]:
    """Every distribution that setup.cfg names, in its normal spelling."""
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for text in lists for line in text.split("\n") if line and line[0] not in "#%"]
    return {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in lines}


@pytest.mark.parametrize("folder", ["kgpt2", "tests", "benchmarks"])
def test_what_is_imported_is_declared(folder):
    """What another package happens to bring is gone with that package's next release."""
    ours = {"kgpt2", "tests", "benchmarks"}
    elsewhere = {*BROUGHT, *BY_HAND}
    distributions = packages_distributions()
    for path in sorted((ROOT / folder).rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
        names = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - ours - elsewhere
        for name in names:
            found = {found.lower().replace("_", "-") for found in distributions.get(name, [name])}
            assert found & declared(), f"{path}: {name} is in no list of setup.cfg"


def test_every_module_lies_in_a_known_room():
    known = {*ROOMS, "__init__", "__main__"}
    assert {room(path) for path in MODULES} <= known


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    here = room(path)
    if here.startswith("__"):
        return
    for module, name in imports(path):
        there = [*module.split("."), name][1]
        if there in ROOMS and (path.relative_to(PACKAGE).as_posix(), module) not in HOOKS:
            assert ROOMS.index(there) >= ROOMS.index(here), f"{here} imports {module}"
        if there != here:
            public = name.startswith("__") or not name.startswith("_")
            assert public, f"{path} takes the private name {name} of {module}"


def test_no_module_is_relative_or_long():
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), path
        assert len(path.read_text("utf-8").splitlines()) <= 400, path


@pytest.mark.slow
def test_rooms_without_keras_import_none(process):
    # tfdata and the builder of poetry are the adapters to TensorFlow in the data room.
    modules = [
        ".".join(("kgpt2", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in MODULES
        if room(path) in WITHOUT_KERAS and path.name not in ("tfdata.py", "builder.py")
    ]
    modules += ["kgpt2.generation.language_model", "kgpt2.generation.openvino.runtime", "kgpt2.training.prepare"]
    program = (
        "import sys\n"
        + "".join(f"import {module}\n" for module in modules)
        + "print(sorted({'keras', 'keras_hub', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    result = process("-c", program)
    assert result.out.strip() == "[]", result.err


def test_every_public_function_and_class_of_the_library_is_described():
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        if path.name != "__init__.py" or path.read_text("utf-8").strip():
            assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_no_module_imports_itself_by_way_of_others():
    """Imports for type checking counted; those inside functions are the ways up that `HOOKS` names."""
    graph = {name_of(path): sorted(targets(path)) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above[above.index(module) :], module])
        if module not in done:
            for target in graph[module]:
                visit(target, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def name_of(path: Path) -> str:
    parts = ("kgpt2", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def targets(path: Path) -> set[str]:
    """The modules of kgpt2 that a file imports, outside functions."""
    known = {name_of(one) for one in MODULES}
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom):
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module or "" for name in names.values()}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    # A package whose __init__ is empty but for a line imports nothing in its turn.
    return (found & known) - {name_of(path)}


def test_bodies_are_short():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
                assert node.end_lineno - body[0].lineno < 50, f"{path.relative_to(PACKAGE)}: {node.name}"
