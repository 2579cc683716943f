"""What a command raises for a fault of its user."""

from __future__ import annotations

CLEAN, PROBLEMS, FAILURE = 0, 1, 2
INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit codes: nothing wrong; problems in the user's input; wrong usage or a failure of the tool; as shells have it."""


class UserError(Exception):
    """A fault that the user can mend: the message is printed on one line, and the command ends with `exit_code`.

    Without a message nothing is printed: somebody else tells.
    """

    def __init__(self, message: str, exit_code: int = PROBLEMS) -> None:
        super().__init__(message)
        self.exit_code = exit_code
