"""
What can go wrong in the console, as one tree.

```
ConsoleError
├── DatabaseError          the database file cannot be opened: stops the service
│   └── DatabaseBusyError  another process has it open
├── AddressError           the address cannot be listened on: stops the service
│   └── UnsafeBindError    others can reach it, and there is no token
├── IntakeError            one OTLP request cannot be taken: answered with `status`
│   ├── MalformedError     400
│   ├── TooSlowError       408
│   ├── TooLargeError      413
│   ├── UnsupportedError   415
│   └── OverloadedError    503
└── BadQueryError          a query parameter cannot be read: answered with 400
```
"""

from typing import ClassVar


class ConsoleError(Exception):
    """Anything the console raises on purpose."""


class DatabaseError(ConsoleError):
    """The database file cannot be opened; the message says what to do."""


class DatabaseBusyError(DatabaseError):
    """The database file is open in another process."""


class AddressError(ConsoleError):
    """The console cannot listen where it was told to; the message says what to do."""


class UnsafeBindError(AddressError):
    """The console was told to listen beyond this machine without a token."""


class IntakeError(ConsoleError):
    """An OTLP request that is not taken, and the HTTP status that says so."""

    status: ClassVar[int] = 400
    #: google.rpc.Code, for the body of the answer.
    code: ClassVar[int] = 3


class MalformedError(IntakeError):
    """The body is not what its Content-Type or Content-Encoding says."""


class TooSlowError(IntakeError):
    """The body did not arrive in time."""

    status = 408
    code = 4


class TooLargeError(IntakeError):
    """The body is larger than the console takes, as sent or unpacked."""

    status = 413
    code = 8


class UnsupportedError(IntakeError):
    """The Content-Type or Content-Encoding is not one the console reads."""

    status = 415


class OverloadedError(IntakeError):
    """The writer is behind; the sender should keep the data and try again."""

    status = 503
    code = 14


class BadQueryError(ConsoleError):
    """A query parameter cannot be read; the message names it."""
