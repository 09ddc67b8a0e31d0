"""`finetui attach RUN`: the workbench on a run that is going on or done."""

from __future__ import annotations

import argparse

from tui import opening


def run(arguments: argparse.Namespace) -> int:
    opening.check_terminal()
    from engine.runs import listing

    return opening.open_app(opening.run_target(listing.find(arguments.run)), arguments.theme)
