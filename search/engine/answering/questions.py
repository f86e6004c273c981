"""What a question asks about, without the words that only make it a question."""

import re

from search.engine.fillers import without
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
#: Particles at the end of a word of three syllables or more. The pair they make with the syllable
#: before them ("함은" of "결함은") stands in few sentences and would weigh as much as the word; in
#: shorter words ("높이", "길이") the same syllable belongs to the word.
_PARTICLE = re.compile(r"(?<=[가-힣]{2})[은는이가을를의](?![가-힣])")
_TOKENIZER = BigramTokenizer()


def topic(question: str) -> str:
    """Return what a question is about: no interrogatives, fillers and particles of its words.

    What would leave nothing is not left out.
    """
    bare = text = clean(question)
    for shorter in (without, _without_asking, _without_particles):
        left = shorter(bare)
        bare = left if _TOKENIZER.tokens(left) else bare
    return bare if _TOKENIZER.tokens(bare) else text


def _without_asking(text: str) -> str:
    for pattern in (_BEGGING, _ASKING, _ENDING, _ENGLISH):
        text = pattern.sub(" ", text)
    return text


def _without_particles(text: str) -> str:
    return _PARTICLE.sub("", text)


def tokens(text: str) -> list[str]:
    """Return the tokens that questions and sentences are compared by, whatever the index uses."""
    return _TOKENIZER.tokens(text)
