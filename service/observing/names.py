"""Labels of metrics are few, whatever callers say: each one is a time series that somebody keeps for weeks."""

# No dataset may be named so
AD_HOC = "(ad hoc)"  # a class list of the request's own
OTHER = "(other)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class DatasetNames:
    """The first `most` names that are asked for stand for themselves, until the process ends; those after them are
    OTHER together. For one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._own: set[str] = set()

    def label(self, name: str | None) -> str:
        """None for a class list without a name."""
        if name is None:
            return AD_HOC
        if name not in self._own:
            if len(self._own) >= self._most:
                return OTHER
            self._own.add(name)
        return name


def method_label(method: str) -> str:
    return method if method in METHODS else "other"
