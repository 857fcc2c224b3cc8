"""The options of the command line: every field of a configuration is one, as its schema describes it."""

import argparse
from difflib import get_close_matches
from typing import Any, NoReturn

from regime.cli.streams import tell
from regime.config import KINDS, describe
from regime.config.base import ROWS
from regime.errors import ConfigError

FIELD = "field "
"""What the names of parsed fields begin with, apart from the options of the command itself."""
RUNS = {
    "toy": "train an MLP on a toy task or on rows of your own, beside its linearized twin",
    "probe": "fine-tune a pretrained transformer, measured layer by layer",
    "checkpoints": "compare revisions of one model, or models of one architecture",
    "sweep": "run every combination of some fields' values: a map of regimes",
}
STATUSES = """\
Progress goes to standard error, the result to standard output. Exit status:
  0    all that was asked for is there
  1    a cell could not be run, a single run diverged or could not go on, or a file could not be written
  2    the command line, the configuration or the store is refused; nothing was changed
  130  interrupted by SIGINT (Ctrl-C); what was measured is printed, finished cells are in the store
  141  nobody reads the output any more
  143  interrupted by SIGTERM; as 130
A second signal ends the process at once.
"""
REPRODUCED = """\
Progress goes to standard error, the table to standard output. Exit status:
  0    every claim passes, or is only shown
  1    one fails or stays undecided
  2    the command line is refused, or a claim lacks a package; --all skips such claims
  130  interrupted by SIGINT (Ctrl-C); claims that were done are printed
  141  nobody reads the output any more
  143  interrupted by SIGTERM; as 130
A second signal ends the process at once.
"""


class Parser(argparse.ArgumentParser):
    """A parser of arguments that raises what is wrong, instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Print the usage; raise ConfigError with the line that argparse would print."""
        tell(self.format_usage())
        raise ConfigError(f"{self.prog}: error: {message}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what a command line asks for.

    Raises:
        ConfigError: it is wrong; the usage was printed.
    """
    parser = Parser(
        prog="python -m regime",
        description="Which regime is a network training in, lazy or rich, how sure are we, and in which layers?",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="kind", required=True)
    known = {kind: _command(commands, kind) for kind in RUNS}
    known["reproduce"] = _reproduce(commands)
    _estimate(commands)
    known["catalog"] = commands.add_parser("catalog", help="list tasks, models, claims, measures, limits and schemas")
    known["catalog"].add_argument("--json", action="store_true", help="print all of it as one JSON object")
    known["app"] = commands.add_parser("app", help="serve the app; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where")
    parser.set_defaults(estimate=False)
    asked, unknown = parser.parse_known_args(arguments)
    if unknown:
        named = unknown[0].partition("=")[0]
        near = get_close_matches(named.replace("_", "-"), known[asked.kind]._option_string_actions)
        known[asked.kind].error(f"{named} is not known" + (f"; near to it: {', '.join(near)}" if near else ""))
    return asked


def _command(commands: Any, kind: str, before: str = "") -> argparse.ArgumentParser:
    config, more = KINDS[kind], " [--csv FILE]" * (kind == "sweep")
    command: argparse.ArgumentParser = commands.add_parser(
        kind,
        help=RUNS[kind],
        usage=f"python -m regime {before}{kind} [CONFIG.json] [--json]{more} [--FIELD VALUE ...]",
        description=f"{RUNS[kind][0].upper()}{RUNS[kind][1:]}.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "config", metavar="CONFIG.json", nargs="?", help=f"fields of {config.__name__} as JSON; - reads standard input"
    )
    command.add_argument("--json", action="store_true", help="print all there is to say as one JSON object")
    if kind == "sweep":
        command.add_argument("--csv", dest="table", metavar="FILE", help="write the cells as a table, too")
    fields = command.add_argument_group("fields", "They win over CONFIG.json. Lists have commas, or the option is repeated.")
    for name, schema in config.properties().items():
        if name != "kind":
            _add(fields, name, schema)
    return command


def _estimate(commands: Any) -> None:
    """Add the command whose commands are those of runs, and take the same options."""
    estimate = commands.add_parser("estimate", help="say how long a run will take, and how much memory, without running it")
    estimate.set_defaults(estimate=True)
    kinds = estimate.add_subparsers(dest="kind", required=True)
    for kind in RUNS:
        _command(kinds, kind, "estimate ")


def _reproduce(commands: Any) -> argparse.ArgumentParser:
    reproduce: argparse.ArgumentParser = commands.add_parser(
        "reproduce",
        help="run published claims, and say whether they pass",
        description="Run published claims, and say of every number whether it passes, by its 95% interval.",
        epilog=REPRODUCED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    reproduce.add_argument("ids", metavar="ID", nargs="*", help="of claims, such as S5")
    reproduce.add_argument("--all", action="store_true", help="every claim")
    reproduce.add_argument("--quick", action="store_true", help="the form that takes less than a minute each")
    reproduce.add_argument("--json", action="store_true", help="print the cards as one JSON object")
    return reproduce


def _add(fields: Any, name: str, schema: dict[str, Any]) -> None:
    option, dest = f"--{name.replace('_', '-')}", FIELD + name
    if schema.get("type") == "boolean":
        fields.add_argument(
            option, dest=dest, action="append", nargs="?", const="true", metavar="true|false", help=_help(schema)
        )
        fields.add_argument(f"--no-{option[2:]}", dest=dest, action="append_const", const="false", help=f"{option} false")
        return
    if name == "axes":
        metavar, said = "NAME=A,B", "; repeated, one an axis, or an object as JSON"
    elif name in ROWS:
        metavar, said = "FILE", "; a file, - reads standard input"
    elif name == "base":
        metavar, said = "FILE", "; a file of JSON, or the JSON itself"
    else:
        metavar, said = ("A,B" if schema.get("type") == "array" else "VALUE"), ""
    fields.add_argument(option, dest=dest, action="append", metavar=metavar, help=_help(schema) + said)


def _help(schema: dict[str, Any]) -> str:
    """What a field is, what it allows and what it is by default, as its schema has it."""
    default = schema.get("default")
    known = "" if isinstance(default, dict) else f"default {'none' if default is None else _plain(default)}"
    said = "; ".join(filter(None, [schema.get("description", ""), describe(schema), known]))
    return said.replace("null", "none").replace("%", "%%")


def _plain(default: Any) -> str:
    if isinstance(default, list):
        return ",".join(map(str, default)) or "empty"
    return str(default).lower() if isinstance(default, bool) else str(default)
