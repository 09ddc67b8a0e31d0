"""Themes: all of finetui's own can be read and be read *from*; bad ones are told, not fatal."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from engine import paths
from engine.errors import Problem
from tests.tui.opened import opened
from tui import theme

OWN = ("ansi", "colour-blind", "dark", "light")
AS_TEXT = ("primary", "accent", "success", "warning", "error", "foreground")
LEAST_CONTRAST = 4.5
HIGHLIGHT = 0.18  # the share of the primary colour behind a highlighted line: app.tcss


def write_theme(name: str, text: str) -> Path:
    folder = paths.user_config() / "themes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    theme.read_all.cache_clear()
    return path


def contrast(one: str, other: Color) -> float:
    """WCAG's contrast ratio."""

    def light(color: Color) -> float:
        parts = [c / 255 for c in (color.r, color.g, color.b)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    first, second = sorted((light(Color.parse(one)), light(other)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def test_finetuis_own_themes_are_read_without_a_fault() -> None:
    looks = theme.read_all()
    assert sorted(looks.by_name) == list(OWN)
    assert looks.faults == ()


@pytest.mark.parametrize("name", [name for name in OWN if name != "ansi"])
def test_text_stands_out_from_what_is_behind_it(name: str) -> None:
    look = theme.read_all().by_name[name]
    primary = Color.parse(look.colours["primary"])
    behind = [Color.parse(look.colours[each]) for each in ("background", "surface", "panel")]
    behind.append(Color.parse(look.colours["surface"]).blend(primary, HIGHLIGHT))
    texts = {each: look.colours[each] for each in AS_TEXT} | {"quiet": look.variables["quiet"]}
    for ground in behind[:2]:
        for what, color in texts.items():
            assert contrast(color, ground) >= LEAST_CONTRAST, (what, ground.hex)
    for ground in behind[2:]:
        for what in ("foreground", "quiet"):
            assert contrast(texts[what], ground) >= LEAST_CONTRAST, (what, ground.hex)


@pytest.mark.parametrize("name", [name for name in OWN if name != "ansi"])
def test_lines_of_the_chart_stand_out_and_differ(name: str) -> None:
    look = theme.read_all().by_name[name]
    ground = Color.parse(look.colours["background"])
    for line in ("train", "held_out", "best", "baseline", "axis"):
        assert contrast(getattr(look.chart, line), ground) >= 3, line
    assert len({look.chart.train, look.chart.held_out, look.chart.best}) == 3


def test_the_plain_theme_uses_the_terminals_own_colours_alone() -> None:
    look = theme.read_all().by_name["ansi"]
    chart = [getattr(look.chart, each) for each in theme.fields()]
    assert all(
        c.startswith("ansi_") for c in [*look.colours.values(), *look.variables.values(), *chart]
    )


def test_a_persons_theme_comes_over_one_of_the_same_name() -> None:
    write_theme(
        "mine", 'name: dark\nprimary: "#ff0000"\nforeground: "#ffffff"\nbackground: "#000000"\n'
    )
    look = theme.read_all().by_name["dark"]
    assert (look.colours["primary"], look.chart.train) == ("#ff0000", "#ff0000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("primary: [", "cannot be read"),
        ("- a\n- b\n", "holds no theme"),
        ('primary: "#ff0000"\nforeground: "#fff"\n', "foreground is not a colour"),
        ('primary: "#ff0000"\nforeground: "#ffffff"\n', "background is missing"),
        ('primary: red\nforeground: "#ffffff"\nbackground: "#000000"\n', "primary is not a colour"),
        ("primary: ansi_pink\n", "primary is not a colour"),
        (
            'primary: "#ff0000"\nforeground: "#ffffff"\nbackground: "#000000"\nchart: {lr: "#ff0000"}\n',
            "chart.lr",
        ),
        ('name: "[red]x"\nprimary: "#ff0000"\n', "not a plain word"),
        (
            'primary: "#ff0000"\nforeground: "#ffffff"\nbackground: "#000000"\nblink: true\n',
            "blink is no part",
        ),
    ],
)
def test_a_bad_theme_is_told_by_its_fault(text: str, says: str) -> None:
    path = write_theme("bad", text)
    with pytest.raises(Problem, match=says.replace(".", r"\.")) as caught:
        theme.read(path)
    assert caught.value.where == str(path)


def test_which_theme_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert theme.choose(None) == ("dark", "")
    assert theme.choose(None, 16)[0] == "ansi"
    assert theme.choose("light", 16)[0] == "light"
    assert theme.choose("nosuch")[0] == "dark"
    assert "no theme nosuch" in theme.choose("nosuch")[1]
    theme.remember("colour-blind")
    assert theme.choose(None)[0] == "colour-blind"
    assert theme.choose(None, 256)[0] == "colour-blind"
    monkeypatch.setenv("NO_COLOR", "1")
    assert theme.choose(None)[0] == "ansi"


def test_settings_are_private_and_a_damaged_file_is_no_matter() -> None:
    theme.remember("light")
    path = paths.user_config() / "settings.json"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("{")
    assert theme.remembered() == ""


async def test_bad_files_and_an_unknown_theme_are_one_toast() -> None:
    write_theme("bad", "primary: [")
    write_theme("worse", "- x")
    async with opened(theme="nosuch") as bench:
        assert bench.app.theme == "dark"
        assert len(bench.toasts()) == 1
        for word in ("bad.yaml", "worse.yaml", "nosuch"):
            assert word in bench.toasts()[0]


@pytest.mark.parametrize("name", OWN)
async def test_every_theme_can_be_worn_and_is_remembered(name: str) -> None:
    async with opened() as bench:
        bench.app.action_wear(name)
        await bench.settle()
        assert bench.app.theme == name
        assert theme.chart_colors(bench.app) == theme.read_all().by_name[name].chart
        assert "270 train" in bench.text()
    assert theme.remembered() == name


async def test_no_colour_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(theme=None) as bench:
        assert bench.app.theme == "ansi"
        filters = bench.app._filters
        for strip in bench.strips():
            for segment in strip.apply_filter(filters[-1], Color.parse("ansi_default")):
                style = segment.style
                assert style is None or (style.color is None or style.color.is_default), segment
