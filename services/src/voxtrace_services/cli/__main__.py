"""Entry point of the `voxtrace` command."""

from __future__ import annotations

import sys

from voxtrace_services.cli.app import app
from voxtrace_services.cli.errors import CommandError
from voxtrace_services.native.errors import MissingPartError, NativeError

_INTERRUPTED = 130


def main() -> None:
    """Run the command; a refusal is one line on stderr and an exit code, never a traceback."""
    try:
        app()
    except CommandError as error:
        _refuse(error, error.exit_code)
    except MissingPartError as error:
        _refuse(error, 2)
    except NativeError as error:
        _refuse(error, 3)
    except KeyboardInterrupt:
        # Between the commands' own handling and the interpreter's end.
        sys.exit(_INTERRUPTED)


def _refuse(error: Exception, code: int) -> None:
    print(f"voxtrace: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
