"""Words that every report, command and log says alike. Decides nothing."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 document`, `1,204 documents`.

    Args:
        number: how many.
        noun: the word for one of them; an `s` makes it many.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
