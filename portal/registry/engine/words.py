"""A mark for texts that the pages translate; it is named as the message extractor expects."""


def gettext_noop(text: str) -> str:
    """Return the text as it is."""
    return text
