"""What the supervisor says to whoever started it."""

import sys
import time


class Console:
    """Writes short lines with the seconds since the start."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    def say(self, text: str) -> None:
        """Write one line; a closed terminal is no reason to end."""
        try:
            sys.stdout.write(f"[{time.monotonic() - self.begun:6.1f} s] {text}\n")
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            return
