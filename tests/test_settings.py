from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import PREFIX, Settings, load_settings

README = Path(__file__).parents[1] / "README.md"


def test_the_environment_is_read_and_arguments_win_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_PORT", "9000")
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    monkeypatch.setenv("L2R2_REVISIONS", '{"owner/name": "abc"}')
    settings = load_settings(port=None, host="0.0.0.0")
    assert (settings.port, settings.host, settings.offline) == (9000, "0.0.0.0", True)
    assert settings.revisions == {"owner/name": "abc"}
    assert load_settings(port=9001).port == 9001


def test_an_unknown_name_stops_the_start_and_the_near_one_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_DATA_DRI", "/data")
    with pytest.raises(SettingsError, match=r"unknown setting L2R2_DATA_DRI \(did you mean L2R2_DATA_DIR\?\)"):
        load_settings()


def test_all_names_are_listed_only_where_none_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_PROT", "1")
    with pytest.raises(SettingsError, match=r"^unknown setting L2R2_PROT \(did you mean L2R2_PORT\?\)$"):
        load_settings()
    monkeypatch.setenv("L2R2_QQQQQQQQ", "1")
    with pytest.raises(SettingsError, match=r"L2R2_PORT\?\); unknown setting L2R2_QQQQQQQQ\. Known: .*L2R2_PROFILE"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("DEVICE", "tpu"),
        ("BOX_THRESHOLD", "2"),
        ("MAX_BATCH_SIZE", "0"),
        ("REVISIONS", "no json"),
    ],
)
def test_a_value_out_of_its_bounds_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=f"(?i){name}"):
        load_settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]


def test_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{PREFIX}")]
    assert rows == settings_table()


def settings_table() -> list[str]:
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default is None else f"`{default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return lines


if __name__ == "__main__":
    print("\n".join(settings_table()))  # noqa: T201  for pasting into README
