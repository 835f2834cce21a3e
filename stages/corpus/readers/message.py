"""What readers yield and report."""

from __future__ import annotations

from collections.abc import Callable

Bad = Callable[[str, str], None]  # (place, reason)
Message = tuple[str, str, str]  # key, document, text
Pair = tuple[str, str, str, dict[str, float]]  # key, English, other text, scores of the source
