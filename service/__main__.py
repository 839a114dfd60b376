"""`python -m service` is `l2r2`."""

from service.cli.main import run

run()
