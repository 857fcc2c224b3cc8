"""Presets and the gallery: configurations to start from, each with what to watch in its run, from `regime/data/runs.toml`."""

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from regime.config import KINDS, Runnable, config_from_dict
from regime.data import FOLDER
from regime.errors import ConfigError, show
from regime.ui.text import paper

LINK = re.compile(r"\[([^\]]+)\]\(arXiv:([\d.]+)\)")
"""A paper in a story."""


@dataclass(frozen=True)
class Preset:
    """A configuration to start from, with what to watch in its run, as markup; `against` is run and pinned before it."""

    name: str
    config: Runnable
    story: Markup
    against: Runnable | None = None


def _read(fields: dict[str, Any], kind: str = "toy") -> Preset:
    config, *against = (config_from_dict({"kind": kind} | fields[name]) for name in ("run", "against") if name in fields)
    story = Markup(LINK.sub(lambda found: paper(*found.groups()), fields["story"]))
    return Preset(fields["name"], config, story, *against)


WRITTEN = tomllib.loads((FOLDER / "runs.toml").read_text(encoding="utf-8"))
"""Runs by name: each tab's, the gallery's, and the lessons'."""
PRESETS = {kind: tuple(_read(fields, kind) for fields in WRITTEN[kind]) for kind in KINDS}
GALLERY = tuple(map(_read, WRITTEN["gallery"]))
FIRST = {"toy": 2, "probe": 0, "checkpoints": 1, "sweep": 0}
"""The preset of the finished run that each tab first shows."""


def first(kind: str) -> Preset:
    """Return the preset whose finished run a tab first shows."""
    return PRESETS[kind][FIRST[kind]]


def preset_named(kind: str, name: Any) -> Preset:
    """Return the preset of a name; raises ConfigError where there is none."""
    for preset in PRESETS[kind]:
        if preset.name == name:
            return preset
    raise ConfigError(f"preset = {show(name)} is not allowed; allowed: one of the names on the page")


def matching(config: Runnable, against: Runnable | None = None) -> Preset | None:
    """Return the preset of a configuration, if there is one; of several, the one that is compared with `against`."""
    found = [preset for preset in PRESETS[config.kind] if preset.config == config]
    return next((preset for preset in found if preset.against == against), found[0] if found else None)
