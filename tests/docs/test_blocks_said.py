"""What is not run is right as far as that can be seen: every block has a mark, parses, and names what exists."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import DOCS, PAGES, ROOT, Block, all_blocks, blocks_of  # type: ignore[import-not-found]
from typer.main import get_command

from service.api import health
from service.cli.main import app
from service.settings import PREFIX, Settings

COMMANDS = all_blocks("sh")
PROGRAMS = all_blocks("python")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
KNOWN = {"sh", "python", "json", "yaml", "nginx", "text", "promql"}
MARK = re.compile(r"runs|runs: slow|not run: \w.*")
BESIDES = {"L2R2_KEY"}  # the command line's
NO_OPTIONS = {"-wal", "-shm"}  # SQLite's files


def settings_named(text: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", text))


def known_settings() -> set[str]:
    return {PREFIX + name.upper() for name in Settings.model_fields} | BESIDES


def place(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_fence_is_seen_and_of_a_known_language(page: Path) -> None:
    fences = re.findall(r"^ *```(\w*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks_of(page)))
    assert {block.language for block in blocks_of(page)} <= KNOWN


@pytest.mark.parametrize("block", [*COMMANDS, *PROGRAMS], ids=place)
def test_every_command_and_program_is_run_or_says_why_not(block: Block) -> None:
    assert MARK.fullmatch(block.mark), block.mark


def test_the_shell_understands_every_command(tmp_path: Path) -> None:
    script = tmp_path / "all.sh"
    script.write_text("\n".join(block.text for block in COMMANDS))
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", PROGRAMS, ids=place)
def test_python_understands_every_program(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_commands_and_their_options_exist(block: Block) -> None:
    text = re.sub(r"\\\n|#.*", " ", block.text)
    for line in re.split(r"[\n;|&()]", text):
        words = line.split()
        if "l2r2" in words[:4] and "docker" not in words:
            check_command(words[words.index("l2r2") + 1 :])


def check_command(words: list[str]) -> None:
    command: Any = get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-") and words[0] != "COMMAND":
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_in_the_text_exist(page: Path) -> None:
    """Of options that stand alone, somewhere."""
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        words = code.split()
        if words[0] == "l2r2":
            check_command(words[1:])
        elif words[0].startswith("-") and words[0] not in NO_OPTIONS:
            assert words[0] in every_option(get_command(app)), code


def every_option(command: Any) -> set[str]:
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*(every_option(child) for child in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "mkdocs.yml"], ids=lambda page: page.stem)
def test_settings_exist_and_have_the_values_that_are_said(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert settings_named(text) <= known_settings()
    for name, value in re.findall(rf"`{PREFIX}([A-Z0-9_]+)`\s\(`([^`]*)`\)", text):
        default = Settings.model_fields[name.lower()].get_default(call_default_factory=True)
        assert value == str(default), f"{PREFIX}{name}"


@pytest.mark.parametrize("block", all_blocks("json"), ids=place)
def test_documents_are_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=place)
def test_files_are_yaml_and_set_what_the_service_accepts(block: Block) -> None:
    documents = list(yaml.safe_load_all(block.text))
    assert all(documents)
    for document in documents:
        for given in environments(document):
            values = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
            Settings(**values)


def environments(document: Any) -> list[dict[str, str]]:
    """Of every container, the settings that have a value."""
    containers = document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    found = [{entry["name"]: entry.get("value") for entry in container["env"]} for container in containers]
    found += [service.get("environment", {}) for service in document.get("services", {}).values()]
    return [{name: value for name, value in given.items() if name.startswith(PREFIX) and value} for given in found]


def yaml_of(name: str) -> list[Any]:
    (text,) = [block.text for block in all_blocks("yaml") if block.text.startswith(f"# {name}\n")]
    return list(yaml.safe_load_all(text))


def replica_seconds() -> float:
    """How long an orderly end may take."""
    fields = Settings.model_fields
    return float(fields["drain_delay_s"].default) + float(fields["shutdown_grace_s"].default) + 5


def test_compose_replicas_are_locked_down_and_end_in_order() -> None:
    [document] = yaml_of("compose.replicas.yml")
    services = document["services"]
    for service in services.values():
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name in ("l2r2-1", "l2r2-2"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert int(services[name]["stop_grace_period"].rstrip("s")) > replica_seconds()
    mounts = [mount.split(":")[0] for service in services.values() for mount in service["volumes"]]
    assert {name for name in mounts if "/" not in name} == set(document["volumes"])
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))


def test_kubernetes_probes_ask_what_there_is_and_wait_for_the_end() -> None:
    documents = yaml_of("l2r2.yml")
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    paths = {getattr(route, "path", "") for route in health.router.routes}
    probes = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert probes == {"startup": "/startupz", "readiness": "/readyz", "liveness": "/livez"}
    assert set(probes.values()) <= paths
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    drain_s, probe = float(given["L2R2_DRAIN_DELAY_S"]), container["readinessProbe"]
    assert drain_s > probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    usual_s = float(Settings.model_fields["drain_delay_s"].default)
    assert pod["terminationGracePeriodSeconds"] > replica_seconds() + drain_s - usual_s
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert all(document["spec"]["selector"].get("matchLabels", document["spec"]["selector"]) == labels
               for document in documents)  # fmt: skip


def test_nginxs_values_fit_the_services() -> None:
    [block] = all_blocks("nginx")
    values = dict(re.findall(r"^ *(\w+) +(\d+)[ms]?;", block.text, re.MULTILINE))
    fields = Settings.model_fields
    assert int(values["client_max_body_size"]) * 2**20 >= fields["max_body_bytes"].default
    assert int(values["keepalive_timeout"]) < fields["keep_alive_s"].default
    waits = [int(wait) for wait in re.findall(r"proxy_read_timeout (\d+)s", block.text)]
    assert min(waits) > fields["request_timeout_s"].default


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    [block] = all_blocks("nginx")
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\n{block.text}")
    command = [str(NGINX), "-t", "-c", str(file), "-e", str(tmp_path / "errors")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_pages_that_are_named_are_there() -> None:
    assert len(PAGES) > 12
    assert (DOCS / "index.md") in PAGES
