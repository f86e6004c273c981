"""``python -m portal.stack serve``: the whole product on one machine."""

import argparse
import sys
from pathlib import Path

from portal.env import Env, SettingError
from portal.stack import state
from portal.stack.errors import StackError
from portal.stack.members import ROOT
from portal.stack.serve import serve


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    main = argparse.ArgumentParser(prog="python -m portal.stack", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    start = commands.add_parser("serve", help="start everything and keep it running")
    start.add_argument("--no-demo", action="store_true", help="leave an empty installation empty")
    for name, text in (("hold", "stop one member and keep it so"), ("release", "start it again")):
        commands.add_parser(name, help=text).add_argument("member")
    commands.add_parser("status", help="list the members and their processes")
    return main


def hold(home: Path, member: str) -> None:
    """Have the supervisor stop a member until it is released."""
    known = state.read(home).get("members", {})
    if not state.is_running(home) or member not in known:
        raise StackError(f"No member {member!r} runs here; these do: {', '.join(known) or 'none'}.")
    folder = home / "run" / "held"
    folder.mkdir(exist_ok=True)
    (folder / member).touch()


def release(home: Path, member: str) -> None:
    """Have the supervisor start a held member again."""
    (home / "run" / "held" / member).unlink(missing_ok=True)


def status(home: Path) -> None:
    """Print the address and every member with its process id."""
    if not state.is_running(home):
        raise StackError(state.HOW_TO_START.format(home=home))
    facts = state.read(home)
    lines = [facts.get("address", "starting")]
    lines += [f"{name:20} {pid or 'stopped'}" for name, pid in facts.get("members", {}).items()]
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> int:
    """Run one command; a known difficulty becomes one clear message."""
    asked = parser().parse_args()
    try:
        home = Env().path("MILLWRIGHT_HOME", ROOT / "var")
        if asked.command == "serve":
            serve(home, with_demo=not asked.no_demo)
        elif asked.command == "status":
            status(home)
        else:
            {"hold": hold, "release": release}[asked.command](home, asked.member)
    except (StackError, SettingError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
