"""Why something is left as it was."""


class NotFitted(Exception):
    """A part of the calibration cannot be fitted to these pictures; the message says what it needs."""
