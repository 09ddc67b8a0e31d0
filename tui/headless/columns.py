"""Text in columns on a plain terminal, wide letters counted as two cells."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells

NARROW = 70
GAP = " │ "


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, cut at spaces where there are some."""
    return [piece for line in text.expandtabs(4).split("\n") for piece in _wrap(line, width)]


def side_by_side(left: str, right: str, width: int) -> list[str]:
    """Two texts beside each other; one below the other where there is no room."""
    if width < NARROW:
        return [*wrapped(left, width), "", *wrapped(right, width)]
    column = (width - len(GAP)) // 2
    first, second = wrapped(left, column), wrapped(right, column)
    count = max(len(first), len(second))
    first += [""] * (count - len(first))
    second += [""] * (count - len(second))
    return [
        f"{a}{' ' * (column - cell_len(a))}{GAP}{b}".rstrip()
        for a, b in zip(first, second, strict=True)
    ]


def _wrap(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    lines: list[str] = []
    current = ""
    for word in line.split(" "):
        joined = f"{current} {word}" if current else word
        if cell_len(joined) <= width:
            current = joined
            continue
        if current:
            lines.append(current)
        *whole, current = chop_cells(word, width) or [""]
        lines += whole
    return [*lines, current]
