"""How long something takes, in words."""


def told(seconds: float) -> str:
    """With digits enough for short times too: `12.5 s`, `20 ms`, `0.3 ms`; nothing is less than `0 ms`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = max(seconds, 0.0) * 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 1 else f"{milliseconds:.1g} ms"
