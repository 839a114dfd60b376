"""A real nginx in front of replicas."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
MISSING = "nginx is not installed (apt-get install nginx-light)"
WAIT_S = 20


@contextmanager
def balancer(folder: Path, configuration: Callable[[int], str]) -> Iterator[str]:
    """Its address; `configuration` for the port that it is to listen on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(configuration(port))
    process = subprocess.Popen([str(NGINX), "-c", str(file), "-e", str(folder / "errors")])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/livez")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "errors").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(WAIT_S)
