"""The command line, `l2r2`. Heavy modules are imported inside the commands, so that `--help` is quick."""
