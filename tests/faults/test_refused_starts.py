"""What a service cannot start with ends it soon, with a reason and without a traceback."""

import hashlib
import socket
import subprocess
from pathlib import Path

import pytest
from running import RunningService  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough
SOON_S = 120


def refusal(log: Path, code: str, port: int | None = None, **settings: str) -> str:
    """Why the service ended, as its log's last line says."""
    service = RunningService(log, port, localizer=settings.pop("localizer", "none"), offline="1", **settings)
    try:
        assert service.process.wait(SOON_S) == 1
    except subprocess.TimeoutExpired:
        service.kill()
        raise
    assert "Traceback" not in log.read_text()
    *_, last = service.log_lines()
    assert last["message"] == "the service did not start"
    assert last["code"] == code
    return str(last["detail"])


def test_an_altered_weight_file_is_named_with_both_digests(tmp_path: Path, models_cache: Path) -> None:
    altered = tmp_path / "models_cache" / "u2netp" / "u2netp.onnx"
    altered.parent.mkdir(parents=True)
    (tmp_path / "models_cache" / "embedded").symlink_to(models_cache / "embedded")
    sound = (models_cache / "u2netp" / "u2netp.onnx").read_bytes()
    altered.write_bytes(sound[:1000] + bytes([sound[1000] ^ 1]) + sound[1001:])
    settings = {"data_dir": str(tmp_path / "data"), "models_cache": str(tmp_path / "models_cache")}
    said = refusal(tmp_path / "log", "weights_mismatch", localizer="u2netp", **settings)
    digests = [hashlib.sha256(data).hexdigest() for data in (sound, altered.read_bytes())]
    for word in ("u2netp.onnx", str(altered.parent), *digests, "l2r2 models pull u2netp"):
        assert word in said


def test_a_damaged_database_is_named_with_the_way_out(tmp_path: Path, models_cache: Path) -> None:
    path = tmp_path / "data" / "l2r2.sqlite3"
    path.parent.mkdir()
    path.write_bytes(b"x" * 100_000)
    said = refusal(tmp_path / "log", "database_corrupt", data_dir=str(path.parent), models_cache=str(models_cache))
    assert f"{path} is damaged" in said
    assert "l2r2 datasets export" in said


def test_an_address_that_is_taken_is_named_with_the_way_out(tmp_path: Path, models_cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = {"data_dir": str(tmp_path / "data"), "models_cache": str(models_cache)}
        said = refusal(tmp_path / "log", "settings_invalid", port, **settings)
    assert f"127.0.0.1:{port} cannot be had" in said
    assert "L2R2_PORT" in said
