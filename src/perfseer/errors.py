"""Errors a person can act on."""


class PerfseerError(Exception):
    """A fault in what was given, not in the program.

    The message says what was given, what was expected and what to do. The command line prints it
    without a traceback and exits with ``exit_code``.
    """

    exit_code = 2


def require(condition: bool, message: str) -> None:
    """Raise `PerfseerError` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise PerfseerError(message)
