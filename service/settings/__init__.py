"""The only reader of the environment: frozen, bounded settings with prefix `L2R2_`. An unknown name stops the start."""

import difflib
import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from service.errors import SettingsError
from service.settings.access import AccessSettings
from service.settings.data import DataSettings
from service.settings.fetching import FetchSettings
from service.settings.life import LifeSettings
from service.settings.models import ModelSettings
from service.settings.observing import ObservingSettings
from service.settings.pictures import PictureSettings
from service.settings.serving import ServingSettings

PREFIX = "L2R2_"
BARE = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
CLIENT_KEY = PREFIX + "KEY"  # of who asks a service; the service itself takes no notice of it


class Settings(
    BaseSettings,
    DataSettings,
    FetchSettings,
    PictureSettings,
    ModelSettings,
    AccessSettings,
    LifeSettings,
    ObservingSettings,
    ServingSettings,
):
    """Every setting; the groups are listed from the last base to the first."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; keyword arguments that are not None win over it.

    Raises:
        SettingsError: an unknown `L2R2_` name, or a value out of its bounds; every fault is named.
    """
    _refuse_unknown_names(os.environ)
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except PydanticSettingsError as error:  # a value that should have been JSON
        raise SettingsError(f"{error}: {error.__cause__}") from None
    except ValidationError as error:
        faults = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("; ".join(faults)) from None


def client_key() -> str | None:
    """The key that commands send to a service where none is given to them."""
    return os.environ.get(CLIENT_KEY) or None


def environment_with(**overrides: Any) -> dict[str, str]:
    """The environment of another process of this service: this one's, with other values for some settings."""
    given = {PREFIX + name.upper(): str(value) for name, value in overrides.items() if value is not None}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in given}
    return kept | given


def bare_environment() -> dict[str, str]:
    """What any process needs to start, and no secret."""
    return {name: value for name, value in os.environ.items() if name in BARE}


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    unknown = [name for name in sorted(environment) if name.upper().startswith(PREFIX)]
    unknown = [name for name in unknown if name.upper() not in (*known, CLIENT_KEY)]
    if not unknown:
        return
    near = {name: difflib.get_close_matches(name.upper(), known, n=1) for name in unknown}
    faults = [
        f"unknown setting {name}" + (f" (did you mean {near[name][0]}?)" if near[name] else "") for name in unknown
    ]
    all_names = "" if all(near.values()) else f". Known: {', '.join(known)}"
    raise SettingsError("; ".join(faults) + all_names)
