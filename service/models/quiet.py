"""Keeps transformers from writing bars and reports to a service's standard error."""


def quiet_transformers() -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
