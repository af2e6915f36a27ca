"""Start the console: `python -m voxtrace_services.console`."""

import sys

from voxtrace_services.core import bootstrap


def main() -> int:
    """Run the console, which never traces itself: its own spans would come back to it for ever."""
    return bootstrap.run("console", "voxtrace_services.console.server:serve", instrumented=False)


if __name__ == "__main__":
    sys.exit(main())
