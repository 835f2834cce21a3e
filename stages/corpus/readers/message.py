"""What readers yield and report."""

from __future__ import annotations

from collections.abc import Callable

Bad = Callable[[str, str], None]  # (place, reason)
Message = tuple[str, str, str]  # key, document, text
