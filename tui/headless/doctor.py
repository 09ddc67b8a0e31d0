"""`finetui doctor`: what this machine has, what is missing, and how to mend it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from engine import doctor
from engine.text import clean
from tui.headless import console

MARKS = {"ok": "✓", "warn": "!", "bad": "✗"}


def run(arguments: argparse.Namespace) -> int:
    findings = doctor.examine()
    for finding in findings:
        if arguments.json:
            console.json_line(asdict(finding))
        else:
            _say(finding)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _say(finding: doctor.Finding) -> None:
    mark = MARKS.get(finding.state, "?")
    print(f"{mark} {clean(finding.area, 20, lines=False):<12} {clean(finding.what, 400)}")
    if finding.fix and finding.state != "ok":
        print(f"  {'':<12} Fix: {clean(finding.fix, 400)}")
