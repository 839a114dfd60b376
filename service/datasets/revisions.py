"""Which tables a database has: this release's, or those of another."""

from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def tables_of(connection: sa.Connection) -> Literal["current", "older", "unknown"]:
    """Those that are unknown are a newer release's: no start can bring them to this one's."""
    found = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(alembic_config())
    if found == scripts.get_current_head():
        return "current"
    known = {script.revision for script in scripts.walk_revisions()}
    return "older" if found is None or found in known else "unknown"
