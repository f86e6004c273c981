"""What a question asks about, without the words that only make it a question."""

import re

from search.engine.text import clean
from search.engine.tokenizers import BigramTokenizer

#: Words that ask, in Korean with whatever is attached to them.
_ASKING = re.compile(
    r"(?<!\S)(?:무엇|무슨|뭐|뭔|뭘|어떤|어떻게|어떠|어느|어디|언제|누구|누가|왜|얼마|몇)[가-힣]*"
)
#: Endings that ask or beg, at the end of a sentence, with the word they hang on to when it says
#: nothing of its own.
_BEGGING = re.compile(
    r"(?:(?<=\s)|^)(?:알려|설명해?|가르쳐|말해|찾아|보여|추천해?|정리해?)[가-힣]*"
    r"(?:\s*(?:주세요|줘요?|주십시오|다오|달라|바랍니다|봐))?\s*[.?!]*\s*$"
)
_ENDING = re.compile(
    r"(?:입니까|습니까|합니까|됩니까|[인는은한할될]가요?|나요|까요|은지|는지|인지|할까|될까|니)"
    r"\s*[.?!]*\s*$"
)
_ENGLISH = re.compile(
    r"\b(?:why|whose|whom|should|shall|can|may|might|must|you|we|me|my|our|please|tell|explain"
    r"|describe|show|give|mean|means|many|much|kind|any)\b",
    re.IGNORECASE,
)
_TOKENIZER = BigramTokenizer()


def topic(question: str) -> str:
    """Return the question without interrogatives; the whole question if nothing else is in it."""
    text = clean(question)
    bare = _BEGGING.sub(" ", text)
    for pattern in (_ASKING, _ENDING, _ENGLISH):
        bare = pattern.sub(" ", bare)
    return bare if _TOKENIZER.tokens(bare) else text


def tokens(text: str) -> list[str]:
    """Return the tokens that questions and sentences are compared by, whatever the index uses."""
    return _TOKENIZER.tokens(text)
