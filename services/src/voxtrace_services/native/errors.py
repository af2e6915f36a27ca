"""
What can go wrong when real parts are started, built or installed.

    NativeError
    ├── LayoutError          the repository's configuration is not where it should be
    ├── MissingPartError     a program is not installed; the message names the command that installs it
    ├── BuildError           a Go build failed; the message holds the end of its output
    ├── PortTakenError       another process listens on a port of ours
    └── StartError           a process ended or did not become ready; the message holds the end of its log
"""


class NativeError(Exception):
    """Base of everything this package raises on purpose."""


class LayoutError(NativeError):
    """The repository's configuration files were not found."""


class MissingPartError(NativeError):
    """A program is needed that this machine does not have."""


class BuildError(NativeError):
    """A program could not be built from its Go module."""


class PortTakenError(NativeError):
    """A port is in use by a process that is not ours."""


class StartError(NativeError):
    """A process ended, or was not ready in time."""
