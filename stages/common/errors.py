"""What a user can mend, and the exit codes that say so."""

from __future__ import annotations

BAD_DATA, IO_FAILED, BAD_CONFIG = 65, 74, 78  # sysexits.h: EX_DATAERR, EX_IOERR, EX_CONFIG


class UserError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what to do."""

    def __init__(self, message: str, code: int = BAD_DATA) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[UserError], tuple[str, int]]:
        """As a process of a pool hands it to its parent, which needs no subclass."""
        return UserError, (str(self), self.code)
