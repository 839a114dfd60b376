"""The container files agree with the code and with each other. No container engine is needed."""

import functools
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from service.access.binding import check_binding
from service.api import health
from service.errors import SettingsError
from service.models.catalog import MODELS, PROFILES, FolderSource, HubSource, WheelSource
from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
FILES = ("Dockerfile", *COMPOSE_FILES, ".dockerignore")
TARGETS = ("cpu", "cuda", "embedded")
WEIGHTS, DATA, BAKED = "/models_cache", "/data", "/opt/models_cache"


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, keyword: str) -> list[str]:
        return [value for word, value in self.instructions if word == keyword]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_comments(text: str) -> str:
    return re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)


@functools.cache
def stages() -> dict[str, Stage]:
    """The Dockerfile's stages in their order; `ARG` lines before the first are left out."""
    logical = re.sub(r"\\\n", "", without_comments(text_of("Dockerfile")))
    found: dict[str, Stage] = {}
    name, base, lines = "", "", []
    for line in filter(str.strip, logical.splitlines()):
        keyword, _, value = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = value.partition(" AS ")
            lines = []
        else:
            lines.append((keyword, value.strip()))
        if name:
            found[name] = Stage(name, base, tuple(lines))
    return found


def lineage(name: str) -> list[Stage]:
    """The stage and those that it is built upon, the nearest first."""
    chain = []
    while name in stages():
        chain.append(stages()[name])
        name = chain[-1].base
    return chain


def last(target: str, keyword: str) -> str:
    """The value that holds in the image: the last of the nearest stage that has one."""
    return next(values[-1] for stage in lineage(target) if (values := stage.all(keyword)))


def environment(target: str) -> dict[str, str]:
    lines = [line for stage in reversed(lineage(target)) for line in stage.all("ENV")]
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def volumes(target: str) -> set[str]:
    return {path for stage in lineage(target) for line in stage.all("VOLUME") for path in json.loads(line)}


def compose(*names: str) -> dict[str, Any]:
    """The files laid over each other, as `docker compose -f … -f …` does: mappings merge, other values replace."""
    merged: dict[str, Any] = {}
    for name in names:
        merged = _merge(merged, yaml.safe_load(text_of(name)))
    return merged


def _merge(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merge(below.get(key), value) for key, value in above.items()}


def by_default(value: str) -> str:
    """What `${NAME:-default}` gives where nothing is set."""
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", value)


def seconds(duration: str) -> int:
    return sum(
        int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)([smh])", duration)
    )


# Names


@pytest.mark.parametrize("file", FILES)
def test_every_setting_named_in_a_file_or_its_comments_exists(file: str) -> None:
    named = set(re.findall(rf"\b{PREFIX}(?!NAME\b)[A-Z0-9_]+", text_of(file)))
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("target", TARGETS)
def test_the_images_settings_are_accepted(target: str) -> None:
    given = {name: value for name, value in environment(target).items() if name.startswith(PREFIX)}
    settings = Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in given.items()})
    assert settings.profile == ("embedded" if target == "embedded" else "standard")
    assert settings.profile in PROFILES
    assert str(settings.models_cache) == (BAKED if target == "embedded" else WEIGHTS)
    assert str(settings.data_dir) == DATA


@pytest.mark.parametrize("file", FILES)
def test_no_host_is_named(file: str) -> None:
    assert "://" not in text_of(file).replace("postgresql+psycopg://l2r2@postgres/l2r2", "")


# Dockerfile


def test_stages_refer_to_earlier_stages_and_one_tagged_base() -> None:
    known: list[str] = []
    for stage in stages().values():
        assert stage.base in known or stage.base == "${PYTHON_IMAGE}"
        for value in stage.all("COPY") + stage.all("RUN"):
            assert set(re.findall(r"(?:--|,)from=([\w-]+)", value)) <= set(known)
        known.append(stage.name)
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim\S*$", text_of("Dockerfile"), re.MULTILINE)
    assert set(TARGETS) <= set(known)
    assert known[-1] == "cpu", "the last stage is what a build without --target makes"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_without_rights(target: str) -> None:
    user, group = last(target, "USER").split(":")
    assert user.isdecimal(), "a number, so that an orchestrator can see that it is not root"
    assert int(user) > 0
    assert int(group) > 0
    assert f"useradd --uid {user} --gid {group}" in " ".join(stages()["runtime"].all("RUN"))


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_starts(target: str) -> None:
    scripts = tomllib.loads(text_of("pyproject.toml"))["project"]["scripts"]
    assert json.loads(last(target, "ENTRYPOINT")) == [*scripts]
    assert json.loads(last(target, "CMD")) == ["serve", "--host", "0.0.0.0"]
    assert last(target, "EXPOSE") == str(Settings.model_fields["port"].default)
    assert last(target, "STOPSIGNAL") == "SIGTERM"
    assert environment(target)["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_alone_lets_no_strangers_in(target: str) -> None:
    given = {name: value for name, value in environment(target).items() if name.startswith(PREFIX)}
    settings = Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in given.items()})
    host = json.loads(last(target, "CMD"))[2]
    with pytest.raises(SettingsError, match="L2R2_KEYS_FILE"):
        check_binding(host, has_keys=settings.keys_file is not None, allow_anonymous=settings.allow_anonymous)


def test_places_to_write_are_volumes_and_weights_inside_an_image_are_not() -> None:
    """What lies under a declared volume would be copied anew into each container, or hidden by an older volume."""
    assert volumes("cpu") == volumes("cuda") == {DATA, WEIGHTS}
    assert volumes("embedded") == {DATA}
    assert BAKED not in str(compose(*COMPOSE_FILES)["services"])
    assert f"{DATA} {WEIGHTS}" in " ".join(stages()["runtime"].all("RUN"))


def test_the_embedded_image_holds_all_weights_of_its_profile() -> None:
    baked = next(arg.removeprefix("BAKE=") for arg in stages()["embedded"].all("ARG") if arg.startswith("BAKE="))
    profile = PROFILES[baked]
    assert environment("embedded")["L2R2_PROFILE"] == baked
    assert all(isinstance(MODELS[name].source, WheelSource) for name in (profile.localizer, profile.encoder))


def test_the_gpu_is_handed_to_the_cuda_image_alone() -> None:
    assert environment("cuda")["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert environment("cuda")["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert not any(name.startswith("NVIDIA_") for target in ("cpu", "embedded") for name in environment(target))


def test_requirements_are_the_projects_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text_of("pyproject.toml"), encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    (run,) = stages()["requirements"].all("RUN")
    subprocess.run(["sh", "-c", run], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    assert (tmp_path / "all.txt").read_text().split("\n") == [
        *project["dependencies"], *extras["postgres"], *extras["otel"], ""
    ]  # fmt: skip
    torch = next(line for line in project["dependencies"] if re.match(r"torch\b", line))
    assert (tmp_path / "torch.txt").read_text().split() == [torch, "torchvision"]


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    ignored, *rules = without_comments(text_of(".dockerignore")).split()
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        PurePosixPath(source).name
        for stage in stages().values()
        for line in stage.all("COPY")
        if "--from=" not in line
        for source in line.split()[:-1]
    }
    assert ignored == "*"
    assert copied == allowed
    assert any(fnmatch("service/api/__pycache__", rule) for rule in rules)
    metadata = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert {metadata["readme"], *metadata["license-files"]} <= copied, "the wheel is made of them"


# Health


def health_command(target: str) -> list[str]:
    return json.loads(last(target, "HEALTHCHECK").partition(" CMD ")[2])


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server on a free port that answers everything with `status`: its port, and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def probe(port: int) -> int:
    python, *arguments = health_command("cpu")
    assert python == "python"
    environ = {
        **os.environ,
        "L2R2_PORT": str(port),
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True).returncode


def test_the_health_check_asks_for_readiness_and_no_proxy() -> None:
    with answering(200) as (port, asked):
        assert probe(port) == 0
    assert asked == ["/readyz"]
    assert asked[0] in {getattr(route, "path", "") for route in health.router.routes}
    assert probe(port) == 1, "nobody listens any more"


def test_the_health_check_fails_while_not_ready() -> None:
    with answering(503) as (port, _):
        assert probe(port) == 1


def test_every_image_and_compose_check_the_same_health() -> None:
    checks = {target: last(target, "HEALTHCHECK") for target in TARGETS}
    assert len(set(checks.values())) == 1
    options = dict(re.findall(r"--([\w-]+)=(\w+)", checks["cpu"].partition(" CMD ")[0]))
    in_compose = compose("docker-compose.yml")["services"]["l2r2"]["healthcheck"]
    assert in_compose.pop("test") == ["CMD", *health_command("cpu")]
    assert {name.replace("_", "-"): str(value) for name, value in in_compose.items()} == options


# Compose


@pytest.mark.parametrize("names", [COMPOSE_FILES[:1], COMPOSE_FILES])
def test_compose_keeps_the_service_locked_down(names: tuple[str, ...]) -> None:
    for service in compose(*names)["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert any(mount.startswith("/tmp") for mount in service["tmpfs"])
        assert "privileged" not in service
        assert "cap_add" not in service


@pytest.mark.parametrize(("names", "target"), [(COMPOSE_FILES[:1], "cpu"), (COMPOSE_FILES, "cuda")])
def test_compose_builds_an_existing_target(names: tuple[str, ...], target: str) -> None:
    service = compose(*names)["services"]["l2r2"]
    assert by_default(service["build"]["target"]) == target
    assert by_default(service["image"]) == f"l2r2:{target}"
    assert target in TARGETS
    arguments = set(re.findall(r"^ARG (\w+)", text_of("Dockerfile"), re.MULTILINE))
    assert set(service["build"]["args"]) <= arguments
    L2R2 = {name: value for name, value in service["environment"].items() if name.startswith(PREFIX) and value}
    Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in L2R2.items()})


def test_compose_mounts_the_images_volumes_and_declares_its_own() -> None:
    document = compose(*COMPOSE_FILES)
    mounts = [mount.split(":") for service in document["services"].values() for mount in service["volumes"]]
    assert {name for name, _ in mounts} == set(document["volumes"])
    assert {path for _, path in mounts} >= volumes("cpu")


def test_compose_publishes_to_this_machine_alone() -> None:
    services = compose(*COMPOSE_FILES)["services"]
    (port,) = services["l2r2"]["ports"]
    assert by_default(port) == f"127.0.0.1:8000:{last('cpu', 'EXPOSE')}"
    assert services["l2r2"]["environment"]["L2R2_ALLOW_ANONYMOUS"] == "true"
    assert "ports" not in services["postgres"]


def test_running_requests_end_before_the_container_is_killed() -> None:
    grace = compose("docker-compose.yml")["services"]["l2r2"]["stop_grace_period"]
    assert seconds(grace) > Settings.model_fields["shutdown_grace_s"].default


def test_postgres_is_optional_and_has_no_password_of_its_own() -> None:
    services = compose("docker-compose.yml")["services"]
    assert services["postgres"]["profiles"] == ["postgres"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] is None, "handed through from the user alone"
    assert by_default(services["l2r2"]["environment"]["PGPASSWORD"]) == ""
    assert services["l2r2"]["depends_on"]["postgres"] == {"condition": "service_healthy", "required": False}
    assert "postgres" in tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]


def test_the_gpu_file_reserves_one() -> None:
    service = compose(*COMPOSE_FILES)["services"]["l2r2"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert service["environment"]["L2R2_DEVICE"] == "cuda"


# Monitoring

WATCHERS = ("prometheus", "grafana")


def test_monitoring_is_optional_pinned_without_rights_and_for_this_machine_alone() -> None:
    services = compose("docker-compose.yml")["services"]
    assert {name for name, service in services.items() if service.get("profiles") == ["monitoring"]} == set(WATCHERS)
    for name in WATCHERS:
        service = services[name]
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        assert int(service["user"].split(":")[0]) > 0
        (port,) = service["ports"]
        assert by_default(port).startswith("127.0.0.1:")
        assert service["healthcheck"]["test"][0] == "CMD"


def test_monitoring_reads_every_file_of_its_folder_and_no_other() -> None:
    document = compose("docker-compose.yml")
    declared = {name: ROOT / config["file"] for name, config in document["configs"].items()}
    assert set(declared.values()) == {path for path in (ROOT / "monitoring").rglob("*") if path.is_file()}
    mounted = [entry for name in WATCHERS for entry in document["services"][name]["configs"]]
    assert sorted(entry["source"] for entry in mounted) == sorted(declared)
    targets = {entry["target"] for entry in mounted}
    assert len(targets) == len(mounted)
    prometheus = yaml.safe_load(declared["prometheus"].read_text())
    assert {f"/etc/prometheus/{name}" for name in prometheus["rule_files"]} <= targets
    (provider,) = yaml.safe_load(declared["grafana_dashboards"].read_text())["providers"]
    assert f"{provider['options']['path']}/l2r2.json" in targets
    home = document["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in targets


def test_prometheus_finds_every_replica_by_its_name_and_grafana_finds_prometheus() -> None:
    services = compose("docker-compose.yml")["services"]
    (job,) = yaml.safe_load(text_of("monitoring/prometheus.yml"))["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["l2r2"]
    assert str(found["port"]) == last("cpu", "EXPOSE")
    assert "l2r2" in services
    (source,) = yaml.safe_load(text_of("monitoring/grafana/provisioning/datasources/prometheus.yml"))["datasources"]
    assert source["url"] == "http://prometheus:9090"


# Licences


def test_the_notice_names_every_model_with_its_source_and_licence() -> None:
    paragraphs = re.split(r"\n(?=\S)", text_of("NOTICE"))
    for model in MODELS.values():
        if model.source is None:
            continue
        about = " ".join(part for part in paragraphs if part.split()[:1] == [model.name])
        assert all(licence in about for licence in model.licence.split(" AND ")), model.name
        match model.source:
            case WheelSource(files):
                sources = {f"{file.package} {file.version}" for file in files}
            case HubSource(repo):
                sources = {repo.partition("/")[0] if model.family == "grounding_dino" else repo}
            case FolderSource():
                sources = set()
        said = " ".join(about.split())
        assert all(source in said or "the same" in said for source in sources), model.name


def test_the_licence_is_the_one_declared() -> None:
    declared = tomllib.loads(text_of("pyproject.toml"))["project"]["license"]
    assert text_of("LICENSE").startswith(f"{declared} License\n")
    assert "L2R2 contributors" in text_of("LICENSE")
