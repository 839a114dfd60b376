"""`l2r2 doctor`: what is found, what is advised, and the exit code; what a shell completes."""

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from misbehaving import misbehaving, refuses, send, shows  # type: ignore[import-not-found]
from running import LightService  # type: ignore[import-not-found]
from typer.testing import CliRunner

import service
from service.answer_headers import VERSION_HEADER
from service.cli.main import app
from service.datasets.database import Database
from service.datasets.revisions import alembic_config
from service.models.weights.reach import hub_fault, registry_fault

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without models that are hashed."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "open_clip_config.json").write_text("{}")
    named = {"ENCODER": tmp_path / "own", "LOCALIZER": "none", "OFFLINE": 1, "DATA_DIR": tmp_path / "data", "PORT": 0}
    for name, value in named.items():
        monkeypatch.setenv(f"L2R2_{name}", str(value))


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, models_cache: Path) -> None:
    for name in ("ENCODER", "LOCALIZER"):
        monkeypatch.delenv(f"L2R2_{name}")
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))


def examined(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the checks by name."""
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["ok"] is (result.exit_code == 0)
    return result.exit_code, {check["name"]: check for check in document["checks"]}


def test_a_machine_that_is_ready_is_said_to_be(real: None) -> None:
    code, checks = examined()
    assert code == 0
    needed = {"version", "packages", "settings", "processors", "memory", "gpu", "weights of embedded", "download",
              "weights of u2netp", "database", "keys", "port"}  # fmt: skip
    assert needed <= set(checks)
    assert "SHA-256 as recorded" in checks["weights of embedded"]["found"]


def test_people_are_shown_a_table_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_THREADS", "99")
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "BAD" not in result.stdout
    assert re.search(r"note processors .*L2R2_THREADS is 99 → set L2R2_THREADS to", " ".join(result.stdout.split()))


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_PROT", "1")
    code, checks = examined()
    assert (code, checks["settings"]["state"]) == (1, "bad")
    assert "did you mean L2R2_PORT" in checks["settings"]["found"]


def test_weights_that_differ_or_are_missing_are_named(
    real: None, monkeypatch: pytest.MonkeyPatch, models_cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(models_cache / "u2netp", tmp_path / "cache" / "u2netp")
    with (tmp_path / "cache" / "u2netp" / "u2netp.onnx").open("r+b") as file:
        file.write(b"x")
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(tmp_path / "cache"))
    code, checks = examined()
    assert code == 1
    assert checks["weights of u2netp"]["state"] == "bad"
    assert "not the recorded files: u2netp.onnx" in checks["weights of u2netp"]["found"]
    assert (checks["weights of embedded"]["state"], checks["download"]["state"]) == ("note", "bad")
    assert "l2r2 models pull embedded" in checks["download"]["advice"]


def test_an_address_that_is_taken_is_told_by_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    with misbehaving(shows(200, "<p>somebody else</p>")) as other:
        monkeypatch.setenv("L2R2_PORT", other.url.rpartition(":")[2])
        code, checks = examined()
        assert (code, checks["port"]["state"]) == (1, "bad")
        assert "l2r2" not in checks["port"]["found"]
        assert "L2R2_PORT" in checks["port"]["advice"]


def test_a_service_that_tells_its_version_to_keys_alone_is_known_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = partial(send, status=200, kind="application/json", body=b"{}", headers={VERSION_HEADER: "7"})
    with misbehaving(alive, refuses(401, "unauthorized")) as other:
        monkeypatch.setenv("L2R2_PORT", other.url.rpartition(":")[2])
        found = examined()[1]["port"]["found"]
    assert "an l2r2 that tells its version to keys alone (interface 7) answers at" in found


def test_a_data_folder_that_may_not_be_written_to_and_a_damaged_file_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "l2r2.sqlite3").write_bytes(b"no database" * 1000)
    code, checks = examined()
    assert (code, checks["database"]["state"]) == (1, "bad")
    monkeypatch.setenv("L2R2_HOST", "0.0.0.0")
    code, checks = examined()
    assert "l2r2 keys new" in checks["keys"]["found"]


def test_a_database_of_a_newer_release_is_bad_and_one_of_an_older_is_not(tmp_path: Path) -> None:
    database = Database(None, tmp_path / "data")
    database.migrate()
    database.close()
    assert database.path is not None
    [oldest] = ScriptDirectory.from_config(alembic_config()).get_bases()
    for revision, code, state in (("9999_newer", 1, "bad"), (oldest, 0, "note")):
        with closing(sqlite3.connect(database.path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        found_code, checks = examined()
        assert (found_code, checks["database"]["state"]) == (code, state)
    assert "brings older ones up to date" in checks["database"]["found"]


def test_traces_need_what_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "traces" not in examined()[1]
    monkeypatch.setenv("L2R2_TRACES", "on")
    assert examined()[1]["traces"]["state"] == "ok"
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)  # as if it were not installed
    code, checks = examined()
    assert (code, checks["traces"]["state"]) == (1, "bad")
    assert "l2r2[otel]" in checks["traces"]["advice"]


def test_a_running_service_s_database_is_intact_and_its_port_is_taken_by_a_known_release(
    light: LightService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L2R2_PORT", str(light.port))
    monkeypatch.setenv("L2R2_DATA_DIR", str(light.log.parent))
    code, checks = examined()
    assert (code, checks["port"]["state"], checks["database"]["state"]) == (1, "bad", "ok")
    assert checks["port"]["found"] == f"l2r2 {service.__version__} answers at 127.0.0.1:{light.port} already"
    assert "--port, or L2R2_PORT" in checks["port"]["advice"]
    result = CliRunner().invoke(app, ["doctor", "--json"], env={"L2R2_HOST": "0.0.0.0", "L2R2_ALLOW_ANONYMOUS": "1"})
    [found] = [check["found"] for check in json.loads(result.stdout)["checks"] if check["name"] == "port"]
    assert found == f"l2r2 {service.__version__} answers at 0.0.0.0:{light.port} already"
    assert "intact" in checks["database"]["found"]
    assert "free on its disk" in checks["data folder"]["found"]


def test_a_registry_is_reached_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    page = '<a href="some_weights-0.1.0-py3-none-any.whl">some_weights-0.1.0-py3-none-any.whl</a>'
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with misbehaving(shows(200, page)) as registry:
        monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
        assert registry_fault("some-weights") is None
        assert registry.seen[0][1] == "/simple/some-weights/"
        assert hub_fault(registry.url) is None
    assert registry_fault("some-weights")
    assert hub_fault(registry.url)


def completed(line: str) -> list[str]:
    """What bash would be offered at the end of `line`."""
    asked = {"_L2R2_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    return CliRunner().invoke(app, [], env=asked, prog_name="l2r2").stdout.split()


def test_a_shell_completes_names(light: LightService) -> None:
    assert "doctor" in completed("l2r2 do")
    assert completed("l2r2 classify a.png --fusion max_") == ["max_confidence", "max_scaled_confidence"]
    assert completed("l2r2 classify a.png --branches full,fg_ma") == ["full,fg_mask", "full,fg_margin"]
    assert completed("l2r2 classify a.png --profile emb") == ["embedded"]
    assert completed(f"l2r2 classify a.png --server {light.url} --dataset col") == ["colours"]
    assert completed(f"l2r2 datasets show --url {light.url} co") == ["colours"]
    assert completed("l2r2 classify a.png --server http://127.0.0.1:9 --dataset col") == []


@pytest.mark.parametrize(
    "command",
    ["classify a.png", "doctor", "serve", "demo", "evaluate", "bench", "variants pictures", "cutout pictures"],
)
def test_a_profile_is_completed_wherever_there_is_one(command: str) -> None:
    assert completed(f"l2r2 {command} --profile emb") == ["embedded"]


def test_the_command_offers_its_completion() -> None:
    asked = {"_L2R2_COMPLETE": "complete_bash", "COMP_WORDS": "l2r2 do", "COMP_CWORD": "1"}
    command = [str(Path(sys.executable).with_name("l2r2"))]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["doctor"]


def test_a_port_that_nobody_listens_on_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    monkeypatch.setenv("L2R2_PORT", str(number))
    assert examined()[1]["port"]["found"] == f"127.0.0.1:{number} is free"
