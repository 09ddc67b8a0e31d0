"""Themes are YAML files: the fields of a Textual theme, and the colours of the chart beside them.

Those of the person (in the config folder) come over those of finetui with the same name.
Textual is imported only where one of its themes is made: a plain command asks for chart colours.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import paths
from engine.errors import Problem
from engine.text import clean

if TYPE_CHECKING:
    from textual.app import App
    from textual.theme import Theme

FALLBACK = "dark"
PLAIN = "ansi"
COLOURS = (
    "primary", "secondary", "warning", "error", "success", "accent", "foreground", "background",
    "surface", "panel", "boost",
)  # fmt: skip
MAX_FILE_BYTES = 100_000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}|ansi_[a-z_]+")
_NAME = re.compile(r"[\w.-]{1,40}")


@dataclass(frozen=True)
class ChartColors:
    """Each `#rrggbb` or the name of an ANSI colour (`ansi_cyan`)."""

    train: str
    held_out: str
    baseline: str
    best: str
    grid: str
    axis: str
    superseded: str


@dataclass(frozen=True)
class Look:
    """One theme file, read and checked."""

    name: str
    dark: bool
    ansi: bool
    colours: dict[str, str]
    variables: dict[str, str]
    chart: ChartColors

    def as_theme(self) -> Theme:
        from textual.theme import BUILTIN_THEMES, Theme

        plain = (
            BUILTIN_THEMES["ansi-dark" if self.dark else "ansi-light"].variables
            if self.ansi
            else self._bars()
        )
        return Theme(
            name=self.name,
            dark=self.dark,
            ansi=self.ansi,
            variables={**plain, **self.variables},
            **self.colours,  # type: ignore[arg-type]
        )

    def _bars(self) -> dict[str, str]:
        """Scrollbars as quiet as the borders beside them."""
        ground, bar = (
            self.colours["background"],
            self.variables.get("border-blurred", self.colours["foreground"]),
        )
        names = (
            "scrollbar-background",
            "scrollbar-background-hover",
            "scrollbar-background-active",
            "scrollbar-corner-color",
        )
        return {
            **dict.fromkeys(names, ground),
            "scrollbar": bar,
            "scrollbar-hover": bar,
            "scrollbar-active": bar,
        }


@dataclass(frozen=True)
class Looks:
    """Every theme that could be read, and what was wrong with the rest."""

    by_name: dict[str, Look]
    faults: tuple[str, ...]


def folders() -> tuple[Path, ...]:
    return paths.bundled("themes"), paths.user_config() / "themes"


@functools.cache
def read_all() -> Looks:
    """Read the theme files, the person's last, so that theirs win."""
    found: dict[str, Look] = {}
    faults: list[str] = []
    for folder in folders():
        for path in sorted(folder.glob("*.yaml")):
            try:
                look = read(path)
                found[look.name] = look
            except Problem as problem:
                faults.append(str(problem))
    return Looks(found, tuple(faults))


def read(path: Path) -> Look:
    """Read one theme file; a Problem names what does not fit."""
    tree = _parse(path)
    name = tree.get("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Problem(str(path), "its name is not a plain word", "use letters, digits, - and _")
    colours = {key: _colour(path, key, tree[key]) for key in COLOURS if key in tree}
    for needed in ("primary", "foreground", "background"):
        if needed not in colours:
            raise Problem(
                str(path), f"{needed} is missing", f'add a line such as {needed}: "#6cb6ff"'
            )
    unknown = set(tree) - {*COLOURS, "name", "dark", "ansi", "variables", "chart"}
    if unknown:
        raise Problem(
            str(path), f"{sorted(map(str, unknown))[0]} is no part of a theme", "take it out"
        )
    return Look(
        name=name,
        dark=bool(tree.get("dark", True)),
        ansi=bool(tree.get("ansi", False)),
        colours=colours,
        variables=_variables(path, tree.get("variables", {}), colours),
        chart=_chart(path, tree.get("chart", {}), colours),
    )


def _parse(path: Path) -> dict[str, Any]:
    import ruamel.yaml

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Problem(str(path), "is too large for a theme", "name colours only")
        tree = ruamel.yaml.YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, ruamel.yaml.error.YAMLError) as error:
        what = str(error).split("\n")[0]
        raise Problem(
            str(path), f"cannot be read ({what})", "write `name: colour` lines"
        ) from error
    if not isinstance(tree, dict):
        raise Problem(str(path), "holds no theme", "write `name: colour` lines")
    return tree


def _colour(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value) or not _parsed(value):
        raise Problem(
            str(path), f"{key} is not a colour", f'write {key}: "#rrggbb" or an ansi_ name'
        )
    return value


def _parsed(value: str) -> bool:
    if value.startswith("#"):
        return True
    name = value.removeprefix("ansi_").removeprefix("bright_")
    plain = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
    return name in plain or value == "ansi_default"


def _variables(path: Path, given: Any, colours: dict[str, str]) -> dict[str, str]:
    if not isinstance(given, dict):
        raise Problem(str(path), "variables holds no names", "write indented `name: colour` lines")
    checked = {str(key): _colour(path, f"variables.{key}", value) for key, value in given.items()}
    return {"quiet": colours["foreground"], **checked}


def _chart(path: Path, given: Any, colours: dict[str, str]) -> ChartColors:
    """The chart's colours; those left out are taken from the theme's own."""
    if not isinstance(given, dict):
        raise Problem(str(path), "chart holds no colours", "write indented `train: colour` lines")
    text, primary = colours["foreground"], colours["primary"]
    own = {
        "train": primary,
        "held_out": colours.get("warning", text),
        "baseline": text,
        "best": colours.get("success", primary),
        "grid": text,
        "axis": text,
        "superseded": colours.get("secondary", text),
    }
    for key, value in given.items():
        if key not in own:
            raise Problem(
                str(path), f"chart.{key} is no line of the chart", "use " + ", ".join(own)
            )
        own[key] = _colour(path, f"chart.{key}", value)
    return ChartColors(**own)


def chart_colors(source: App[Any] | str) -> ChartColors:
    """The chart's colours in the theme of an app, or in the theme of that name."""
    name = source if isinstance(source, str) else source.theme
    looks = read_all().by_name
    return (looks.get(name) or looks[FALLBACK]).chart


def dress(app: App[Any], asked: str | None) -> str:
    """Give an app every theme and put the right one on; what to say about those that do not do."""
    from textual.filter import Monochrome, NoColor

    looks = read_all()
    for look in looks.by_name.values():
        app.register_theme(look.as_theme())
    colours = {"standard": 16, "windows": 16}.get(app.console.color_system or "")
    app.theme, said = choose(asked, colours)
    if app.current_theme.ansi:  # Textual would turn the terminal's own colours into shades of grey
        app._filters = [
            NoColor() if isinstance(each, Monochrome) else each for each in app._filters
        ]
    return "\n".join([*looks.faults[:3], *([said] if said else [])])


# ---------------------------------------------------------------- which theme


def choose(asked: str | None, colours: int | None = None) -> tuple[str, str]:
    """The theme to begin with, and a word when the one asked for is not there.

    `colours` is what the terminal can show; 16 and fewer choose the plain theme.
    """
    looks = read_all().by_name
    wanted = asked or os.environ.get("FINETUI_THEME") or ""
    if not wanted and ("NO_COLOR" in os.environ or (colours is not None and colours <= 16)):
        return PLAIN, ""
    wanted = wanted or remembered()
    if wanted and wanted not in looks:
        said = f"There is no theme {clean(wanted, 40, lines=False)}; {FALLBACK} is on."
        return FALLBACK, f"{said} There are: {', '.join(sorted(looks))}."
    return wanted or FALLBACK, ""


def _settings() -> Path:
    return paths.user_config() / "settings.json"


def remembered() -> str:
    """The theme chosen last; empty when there was none or the file cannot be read."""
    try:
        tree = json.loads(_settings().read_text(encoding="utf-8"))
        return str(tree.get("theme", ""))[:40]
    except (OSError, ValueError, AttributeError):
        return ""


def remember(name: str) -> None:
    """Keep the choice for the next time; a Problem when the folder cannot be written."""
    path = _settings()
    paths.make_private(path.parent)
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps({"theme": name}) + "\n", encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(path)
    except OSError as error:
        raise Problem(
            str(path), f"cannot be written ({error.strerror})", "check the folder"
        ) from error


def names() -> list[str]:
    return sorted(read_all().by_name)


def fields() -> list[str]:
    """The names of the chart's colours, for tests and docs."""
    return [each.name for each in dataclasses.fields(ChartColors)]
