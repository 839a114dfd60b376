"""onnxruntime as the service starts it."""

import os
import subprocess
import sys
from pathlib import Path


def test_no_usage_data_is_kept_or_sent(tmp_path: Path, models_cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from service.models.onnx import cpu_session; "
        "cpu_session(Path(sys.argv[1]), 1)"
    )
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    weights = models_cache / "u2netp" / "u2netp.onnx"
    subprocess.run([sys.executable, "-c", program, str(weights)], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
