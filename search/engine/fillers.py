"""Words of a query that only say how it is asked: pairs of syllables are sought without them.

In a question such as “기포가 생기는 원인” or “기포가 왜 생기나요” they are rare in documents, so
BM25 would weigh them more than what is asked about. The list is ours, of Korean words: the English
ones stand in every English text and weigh nothing anyway. docs/performance.md says what it changes.
Without spaces there are no words to leave out, and the query is asked as it is.
"""

_KOREAN = (
    "생기는 생긴 생기나 생기나요 생길 발생하는 발생한 발생하나 발생하나요 일어나는 일어나나 "
    "나타나는 나타난 나타나나 하는 하나 하나요 되는 되나 되나요 있는 있나 있나요 있을 없는 "
    "무엇 무엇인가 무엇인가요 무엇이 무엇을 뭐 뭔가 무슨 어떻게 어떤 어느 어디 어디에 언제 "
    "얼마 얼마나 얼마인가 왜 누가 누구 때 때는 경우 대해 대한 관한 위해 위한"
)
FILLERS = frozenset(_KOREAN.split())
_MARKS = "?!.,;:“”\"'()"


def without(query: str) -> str:
    """Return a query without its fillers; the whole of it when nothing else is in it.

    Parameters
    ----------
    query : str
        As it was asked.
    """
    words = query.split()
    kept = [word for word in words if word.strip(_MARKS) not in FILLERS]
    if len(kept) == len(words) or not any(word.strip(_MARKS) for word in kept):
        return query
    return " ".join(kept)
