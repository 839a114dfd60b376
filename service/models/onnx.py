"""onnxruntime sessions as this service wants them: quiet, frugal, and silent towards its makers."""

import os
from pathlib import Path

# onnxruntime sends usage data unless told otherwise before its import. A service for closed networks does not.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

_ERRORS_ONLY = 3


def cpu_session(weights: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait take the processors from the other model and from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # measured: 200 MB less for the embedded pair, at equal speed
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
