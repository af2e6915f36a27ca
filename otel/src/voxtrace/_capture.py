"""Whether what people said may leave the process."""

from __future__ import annotations

import os
from typing import Final

#: Switches transcripts, texts and translations on, under `speech.pii.*`.
CAPTURE_CONTENT: Final = "VOXTRACE_CAPTURE_CONTENT"


def capturing() -> bool:
    """Tell whether content was switched on; asked anew each time, so that nothing is decided at import."""
    return os.environ.get(CAPTURE_CONTENT, "").strip().lower() == "true"
