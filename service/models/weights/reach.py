"""Whether weights could be downloaded from here, without downloading any."""

import subprocess
import sys

TIMEOUT_S = 20.0


def registry_fault(package: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """Why the package registry does not tell of a package, asked as a download would ask, with the user's mirror, proxy
    and certificates; None where it does."""
    command = [sys.executable, "-P", "-m", "pip", "index", "versions", package, "--disable-pip-version-check",
               "--no-input", "--retries", "0", "--timeout", f"{timeout_s / 2:g}"]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 (a list of our own words, no shell)
            command, capture_output=True, text=True, errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout_s:g} s"
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR:").strip() if lines else "pip said nothing"


def hub_fault(endpoint: str | None, timeout_s: float = TIMEOUT_S) -> str | None:
    """Why the model hub does not answer; None where it does, whatever it answers."""
    import httpx
    from huggingface_hub import constants

    address = endpoint or constants.ENDPOINT
    try:
        httpx.head(address, timeout=timeout_s)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return f"{address}: {error or type(error).__name__}"
    return None
