"""Text of unknown origin, as it may be shown on a terminal."""

from __future__ import annotations


def printable(text: str, longest: int = 300) -> str:
    r"""Return text without what a terminal would obey instead of showing.

    Args:
        text: Text that may come from a file, such as a parameter's name.
        longest: How many characters are shown.

    Returns:
        The text; control characters, line ends and marks that change the direction of writing
        are shown as Python writes them in a string.

    Example:
        >>> printable("\x1b[2Jweight")
        '\\x1b[2Jweight'
    """
    short = text if len(text) <= longest else f"{text[:longest]}..."
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode()
        for one in short
    )
