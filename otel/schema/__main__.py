"""Write what is generated from the schema, or with `--check` say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import constants
import page
import registry

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args().check
    schema = registry.load()
    written = {
        ROOT / "otel/src/voxtrace/semconv.py": constants.render(schema),
        ROOT / "docs/telemetry.md": page.render(schema),
    }
    stale = [path for path, text in written.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is not what otel/schema says: run `make schema`", file=sys.stderr)
        else:
            path.write_text(written[path], encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
