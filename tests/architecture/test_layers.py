"""A module imports only from its own layer's package or from layers below it."""

import ast
from pathlib import Path

import service

ROOT = Path(service.__file__).parent
# From the lowest to the highest; those on one line do not import each other.
LAYERS = (
    ("service.errors", "service.answer_headers", "service.telemetry", "service.turns", "service.recognition"),
    ("service.lines", "service.durations", "service.batch_record", "service.batch_worker"),
    ("service.calibration",),
    ("service.settings", "service.access", "service.images", "service.batching", "service.models", "service.fetching"),
    ("service.datasets",),
    ("service.stages",),
    ("service.recognizer",),
    ("service.engine",),
    ("service.watching", "service.observing"),
    ("service.api", "service.evaluation", "service.bench", "service.serving"),
    ("service.client",),
    ("service.parts",),
    ("service.app",),
    ("service.cli",),
    ("service.__main__",),
)
ANYWHERE = {"service"}  # the version
PURE = "service.recognition"
PURE_MAY_IMPORT = {"numpy", "PIL", "functools", "re", "types", "math", "dataclasses", "collections", "typing"}
ONLY_IN = {
    "fastapi": ("service.api", "service.app", "service.bench.peers"),
    "sqlalchemy": ("service.datasets",),
    "torch": ("service.models", "service.bench.peers", "service.bench.random_weights"),
    "transformers": ("service.models", "service.bench"),
    "open_clip": ("service.models", "service.bench.peers", "service.bench.random_weights"),
    "httpcore": ("service.fetching", "service.client.punctual"),
    "openvino": ("service.models.processors",),
    "onnxruntime": ("service.bench.peers",),
    "typer": ("service.cli",),
    "prometheus_client": ("service.observing",),
    "opentelemetry": ("service.observing.tracing",),
}


def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("service", *path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            assert node.module
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def layer_of(module: str) -> int:
    for height, packages in enumerate(LAYERS):
        if any(module == package or module.startswith(package + ".") for package in packages):
            return height
    raise AssertionError(f"{module} stands in no layer")


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_modules_import_only_downwards() -> None:
    for module in set(MODULES) - ANYWHERE:
        for imported in imports_of(MODULES[module]):
            if imported.split(".")[0] != "service" or imported in ANYWHERE:
                continue
            if package_of(imported) != package_of(module):
                assert layer_of(imported) < layer_of(module), f"{module} imports {imported}"


def test_the_pure_layer_imports_numpy_alone() -> None:
    pure = [name for name in MODULES if name.startswith(PURE)]
    assert len(pure) >= 10
    for module in pure:
        outside = {name.split(".")[0] for name in imports_of(MODULES[module]) if not name.startswith("service")}
        assert outside <= PURE_MAY_IMPORT, module


def test_heavy_libraries_stay_in_their_place() -> None:
    for module, path in MODULES.items():
        for library in {name.split(".")[0] for name in imports_of(path)} & set(ONLY_IN):
            assert module.startswith(ONLY_IN[library]), f"{module} imports {library}"


def test_functions_and_modules_are_small() -> None:
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 200, f"{module} is too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 40, f"{module}.{node.name} is too long"


def test_only_the_settings_read_the_environment() -> None:
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    assert [name for name, text in texts.items() if "os.environ" in text or "getenv" in text] == ["service.settings"]
