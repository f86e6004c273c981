"""Errors that carry a code and values, so that a sentence can be made of them in any language.

An engine knows no reader and so no language. It raises a code with its values; the English sentence
is the message, and whoever knows the reader translates the template and fills in the same values.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self


def gettext_noop(message: str) -> str:
    """Mark a sentence for the translation catalogue and return it unchanged."""
    return message


class CodedError(ValueError):
    """Root of the errors that an engine raises on purpose; each engine has its own subclass.

    Parameters
    ----------
    code : str
        Key of ``templates``; stable, made for programs.
    **params : object
        Values of the placeholders. Error and values survive the way through a queue when the values
        can be pickled.

    Raises
    ------
    KeyError
        If the code has no template, or the template asks for a value that is not there.
    """

    #: Sentences by code, with named placeholders, as they stand in the translation catalogue.
    templates: ClassVar[Mapping[str, str]] = {}

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(self.template.format(**params))

    def __reduce__(self) -> tuple[Any, ...]:
        """Be made again from code and values, not from the sentence."""
        return (self._again, (self.code, self.params))

    @classmethod
    def _again(cls, code: str, params: Mapping[str, object]) -> Self:
        return cls(code, **params)

    @property
    def template(self) -> str:
        """The sentence with its placeholders."""
        return self.templates[self.code]
