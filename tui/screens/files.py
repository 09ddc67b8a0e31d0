"""Choosing data to open: a path typed with completion, or a line of the folder's list."""

from __future__ import annotations

import os
from pathlib import Path

from tui.screens.picker import MAX_SHOWN, Choice, Picker

DATA_ENDINGS = (
    ".jsonl",
    ".json",
    ".csv",
    ".tsv",
    ".parquet",
    ".ndjson",
    ".arrow",
    ".txt",
    ".md",
    ".gz",
    ".zst",
)


class OpenData(Picker[str]):
    """Gives back a path, or a hub id as it was typed."""

    TITLE_TEXT = "open data"
    PLACEHOLDER = "a file, a folder, or a hub id such as owner/name"

    def choices(self, typed: str) -> list[Choice[str]]:
        folder, start = split(typed)
        return listed(folder, start)

    @property
    def begin(self) -> int:
        """The first file, else the first line."""
        files = [at for at, choice in enumerate(self._found) if not choice.value.endswith(os.sep)]
        return files[0] if files else 0

    def completion(self, choice: Choice[str]) -> str:
        return choice.value

    def take(self, choice: Choice[str] | None, typed: str) -> None:
        """A folder is entered; a file or anything else that was typed is opened."""
        place = Path(typed.strip()).expanduser()
        if typed.strip() and place.is_file():
            self.dismiss(str(place))
        elif choice is not None and choice.value.endswith(os.sep):
            self.action_complete()
        elif choice is not None:
            self.dismiss(choice.value)
        elif typed.strip():
            self.dismiss(typed.strip())


def split(typed: str) -> tuple[Path, str]:
    """What was typed, as a folder and the beginning of a name in it."""
    text = os.path.expanduser(typed.strip())
    if not text:
        return Path.cwd(), ""
    if text.endswith(os.sep):
        return Path(text), ""
    return Path(text).parent, Path(text).name


def listed(folder: Path, start: str) -> list[Choice[str]]:
    """Folders first, then files that can hold rows; the folder above in front."""
    found: list[Choice[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(found) >= 4 * MAX_SHOWN:
                    break
                found += _choice(folder, entry, start)
    except OSError:
        return []
    found.sort(key=lambda c: (not c.value.endswith(os.sep), c.text))
    above = (
        [Choice("../", "the folder above", str(folder.resolve().parent) + os.sep)]
        if not start
        else []
    )
    return above + found


def _choice(folder: Path, entry: os.DirEntry[str], start: str) -> list[Choice[str]]:
    if not entry.name.startswith(start) or (
        entry.name.startswith(".") and not start.startswith(".")
    ):
        return []
    try:
        if entry.is_dir():
            return [Choice(entry.name + os.sep, "folder", str(folder / entry.name) + os.sep)]
        if entry.name.lower().endswith(DATA_ENDINGS):
            return [Choice(entry.name, _size(entry.stat().st_size), str(folder / entry.name))]
    except OSError:
        pass
    return []


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return ""
