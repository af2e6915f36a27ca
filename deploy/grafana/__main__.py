"""Write the dashboards, or with `--check` say whether they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import collector
import compat
import cost
import overview
import queues
import resources
import service
import slo
import speech
from grafana_foundation_sdk.cog.encoder import JSONEncoder

HERE = Path(__file__).parent
FOLDER = HERE / "dashboards"


def render() -> dict[Path, str]:
    """Return each file and what belongs into it."""
    boards = [
        overview.board(),
        *service.boards(),
        queues.board(),
        speech.board(),
        cost.board(),
        slo.board(),
        resources.board(),
        collector.board(),
        compat.board(),
    ]
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {FOLDER / f"{board.uid}.json": encoder.encode(board.build()) + "\n" for board in boards}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args().check
    wanted = render()
    FOLDER.mkdir(exist_ok=True)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    idle = [path for path in FOLDER.iterdir() if path not in wanted]
    for path in [*stale, *idle]:
        name = path.relative_to(HERE.parents[1])
        if check:
            print(f"{name} is not what deploy/grafana says: run `make dashboards`", file=sys.stderr)
        elif path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {name}")
        else:
            path.unlink()
            print(f"removed {name}")
    return 1 if check and (stale or idle) else 0


if __name__ == "__main__":
    raise SystemExit(main())
