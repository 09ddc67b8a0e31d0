"""The command line. Parsing imports the standard library alone; commands import what they need."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

DONE, FAILED, WRONG = 0, 1, 2
LATER = ("export", "delete", "clean")
"""Names kept for commands to come, so that none is taken for a file to open."""
INTERRUPTED = 130
EXAMPLES = """\
examples:
  finetui                                  open the workbench on the sample data
  finetui tickets.jsonl                    open it on your own rows
  finetui train --data tickets.jsonl       train without the workbench
  finetui train config.yaml --set train.learning_rate=1e-4 --set train.epochs=2
  finetui compare last                     the answers before and after, side by side
  ssh -t SERVER finetui                    over SSH: -t gives it a terminal

commands:
"""


@dataclass(frozen=True)
class Command:
    """A command: the module whose `run(arguments)` does it, a line of words, its arguments."""

    module: str
    words: str
    arguments: Callable[[argparse.ArgumentParser], object]


class Parser(argparse.ArgumentParser):
    """Says what is wrong as every part of finetui does: `WHERE: what. Fix: how.`"""

    def error(self, message: str) -> NoReturn:
        from engine.text import clean

        fix, message = self.fix(message), clean(message, 300, lines=False)
        self.exit(WRONG, f"{self.prog}: {message}. Fix: {fix}{'' if fix.endswith('?') else '.'}\n")

    def fix(self, message: str) -> str:
        known = [word for action in self._actions for word in action.option_strings]
        for word in message.replace(",", " ").split():
            near = difflib.get_close_matches(word.partition("=")[0], known, 1)
            if word.startswith("-") and word not in known and near:
                return f"did you mean {near[0]}?"
        return f"see `{self.prog} --help`"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    name = words[0] if words and words[0] in COMMANDS else ""
    try:
        if words and words[0] in LATER:
            opening_parser().error(f"this version has no command {words[0]}")
        if not name:
            return open_workbench(opening_parser().parse_args(words))
        arguments = command_parser(name).parse_args(words[1:])
        done = importlib.import_module(COMMANDS[name].module).run(arguments)
        return int(done)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:
        return _problem(error)


def _problem(error: Exception) -> int:
    """Our own words for what went wrong; a traceback goes to a log file, never to the terminal."""
    from engine.errors import Cancelled, Problem
    from engine.text import clean

    if isinstance(error, Problem):
        print(clean(str(error), 2000, lines=False), file=sys.stderr)
        return WRONG
    if isinstance(error, Cancelled):
        return INTERRUPTED
    if isinstance(error, OSError) and error.filename:
        name, what = clean(error.filename, 200, lines=False), clean(error.strerror)
        print(f"{name}: {what}. Fix: check the name and the permissions.", file=sys.stderr)
        return WRONG
    from tui import crash

    print(crash.last_words(crash.write_report(error)), end="", file=sys.stderr)
    return FAILED


def _nobody_reads() -> int:
    """The reader of the output has gone (`| head`): end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


# ---------------------------------------------------------------- the table of commands


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="the settings of the run")
    parser.add_argument(
        "--data", action="append", metavar="FILE",
        help="the file, folder or hub id to learn from; given again, the files are read as one",
    )  # fmt: skip
    parser.add_argument("--model", help="the model to start from")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", dest="settings",
        help="set one knob, as often as you like: --set train.epochs=2",
    )  # fmt: skip
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    parser.add_argument("--detach", action="store_true", help="print the run's id and leave it")
    _json(parser, "each event as a JSON line, and nothing else")


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="the file, folder or hub id to look into; several files are read as one",
    )  # fmt: skip
    parser.add_argument("--model", help="the model whose tokenizer counts")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", dest="settings",
        help="set one knob: --set data.eval_fraction=0.2",
    )  # fmt: skip
    parser.add_argument(
        "--fix", metavar="NAMES",
        help="with --out: drop (rows that teach nothing), dedupe (copies), mend (broken and hidden letters), "
        "mask (secrets and personal data); several with commas",
    )  # fmt: skip
    parser.add_argument(
        "--convert", metavar="SHAPE", help="with --out: write the rows in this shape"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="a new file for the rows: .jsonl, .json, .csv or .tsv"
    )
    _json(parser, "the summary as one JSON object")


def _runs(parser: argparse.ArgumentParser) -> None:
    _json(parser, "each run as a JSON line")


def _attach(parser: argparse.ArgumentParser) -> None:
    _run(parser)
    parser.add_argument("--theme", help="the theme to open with")


def _control(parser: argparse.ArgumentParser) -> None:
    _run(parser)
    parser.add_argument(
        "what", choices=("stop", "kill", "save", "eval"),
        help="stop and save, end at once, save a checkpoint now, measure the held-out loss now",
    )  # fmt: skip


def _compare(parser: argparse.ArgumentParser) -> None:
    _run(parser)
    parser.add_argument(
        "--prompts", metavar="FILE",
        help="a prompt a line, or JSONL with prompt or messages; the held-out rows when not given",
    )  # fmt: skip
    parser.add_argument("--rules", metavar="FILE", help="check each answer by these rules (YAML)")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer")
    _json(parser, "a JSON line for each prompt, a summary line at the end")


def _doctor(parser: argparse.ArgumentParser) -> None:
    _json(parser, "each finding as a JSON line")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the start of it, its path, or `last`")


def _json(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--json", action="store_true", help=words)


COMMANDS = {
    "train": Command("tui.headless.train", "train without the workbench", _train),
    "data": Command("tui.headless.data", "what is in a file: rows, problems, tokens, split", _data),
    "runs": Command("tui.headless.runs", "every run there is", _runs),
    "attach": Command("tui.headless.attach", "the workbench on a run, going on or done", _attach),
    "control": Command("tui.headless.control", "tell a run to stop, save or measure", _control),
    "compare": Command("tui.headless.compare", "the answers before and after", _compare),
    "doctor": Command(
        "tui.headless.doctor", "the machine: what is there, what is missing", _doctor
    ),
}


class Version(argparse.Action):
    """Prints the version, which is looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("finetui")
        except PackageNotFoundError:
            found = "(not installed)"
        print(f"finetui {found}")
        parser.exit()


def opening_parser() -> Parser:
    lines = [f"  {name:<9}{command.words}" for name, command in COMMANDS.items()]
    parser = Parser(
        prog="finetui",
        description="Fine-tune a language model from the terminal, and see whether it worked.",
        usage="finetui [DATASET ... | CONFIG.yaml | RUN] [--theme NAME]\n       finetui COMMAND ...",
        epilog=EXAMPLES + "\n".join(lines) + "\n\nfinetui COMMAND --help tells more of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "target", nargs="*", metavar="DATASET|CONFIG.yaml|RUN",
        help="what to open, several files as one; nothing: the sample data and the starter model",
    )  # fmt: skip
    parser.add_argument("--theme", help="the theme to open with")
    parser.add_argument("--version", action=Version, nargs=0, help="the version of finetui")
    return parser


def command_parser(name: str) -> Parser:
    command = COMMANDS[name]
    parser = Parser(prog=f"finetui {name}", description=f"{command.words}.", allow_abbrev=False)
    command.arguments(parser)
    return parser


# ---------------------------------------------------------------- opening


def open_workbench(arguments: argparse.Namespace) -> int:
    """Open the app on what the arguments mean."""
    from tui import opening

    return opening.open_target(arguments.target, arguments.theme, tuple(COMMANDS))


if __name__ == "__main__":
    sys.exit(main())
