"""Whether a database and a store belong together, or one of them was put back from a backup (F28).

Both carry the same word, which is new at each start and at each orderly stop. A database that was restored knows
only older words than the store's, a restored store carries an older one. Pure.
"""


def words_of(current: str, before: str) -> str:
    """What the database notes while the store's mark is being replaced: either word may be found after a crash.

    Args:
        current: the new word, about to be written to the store.
        before: the word the store carries now, or "".
    """
    return f"{current} {before}".strip()


def belong_together(noted: str | None, marked: str | None) -> bool:
    """Whether what the database noted fits the store's mark.

    Args:
        noted: what `words_of` made, or the one word that held last; None where the database never had a store.
        marked: the word the store carries; None where it carries none, or none that can be read.
    """
    if noted is None:
        return marked is None
    return marked is not None and marked in noted.split()
