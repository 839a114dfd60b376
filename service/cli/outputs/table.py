"""Answers as a parquet table."""

import io
from collections.abc import Sequence
from importlib.util import find_spec

from service.cli.outputs.rows import COLUMNS, Record, flat
from service.errors import PackageMissing


def check_parquet() -> None:
    """Raises PackageMissing where the extra is not installed."""
    if find_spec("pyarrow") is None:
        raise PackageMissing("parquet needs pyarrow: pip install '.[evaluate]'")


def parquet_bytes(records: Sequence[Record], _labels: Sequence[str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    rows = [flat(record) for record in records]
    for row in rows:
        row["path"] = row["path"].encode(errors="backslashreplace").decode()
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema), sink)
    return sink.getvalue()
