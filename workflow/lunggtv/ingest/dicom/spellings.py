"""How else people write a word: Müller, Mueller, MULLER.

Systems that know plain letters alone write names without their accents, and users with them.
"""

import re
import unicodedata

# Letters that Unicode does not take apart, and the plain one that stands for them.
ALSO_PLAIN = {"ø": "o", "æ": "a", "œ": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "t", "ħ": "h", "ı": "i"}
# Code points of the Latin, Greek and Cyrillic letters with accents.
ACCENTED = [*range(0xC0, 0x530), *range(0x1E00, 0x2000)]
# Two letters that people write for one; and how else a letter is written then.
TWO_FOR_ONE = re.compile("a[ae]|oe|ue|ss|th|dj")
WRITTEN = {"a": "a[ae]?", "o": "oe?", "u": "ue?", "s": "(?:ss?|ß)", "t": "th?", "d": "dj?", "ß": "(?:ss|ß)"}
# Letters of a word that is told by fewer wherever it stands: Haas is not to be found in every phase, as Hås is in none.
LEAST_TOLD = 4
LEAST_ALONE = 3  # of one that is told by fewer where it stands alone: Bär for Baer
LETTER = r"[^\W\d_]"


def plain(text: str) -> str:
    """A text (NFKC) with a plain letter for each one with an accent, as long as it was."""
    return text.translate(_PLAIN)


def spelt(word: str, between: str = "") -> str:
    """A pattern that finds a word in a ``plain`` text, in any case, whichever way it is written there.

    Args:
        between: a pattern of what may stand between the letters.
    """
    letters = plain(word).lower().replace("ß", "ss")
    fewer = TWO_FOR_ONE.sub(lambda found: found[0][0], letters)
    by_fewer = between.join(map(_ways, fewer))
    if len(fewer) >= LEAST_TOLD:
        return by_fewer
    told = between.join(map(_ways, letters.replace("ss", "ß")))
    if not LEAST_ALONE <= len(fewer) < len(letters):
        return told
    return f"(?:{told}|(?<!{LETTER}){by_fewer}(?!{LETTER}))"


def fewest_letters(text: str) -> str:
    """A text as all have it who write it one way or another: muler for Müller, Mueller and MULLER."""
    letters = plain(unicodedata.normalize("NFKC", text)).casefold()
    return re.sub(r"(.)\1", r"\1", TWO_FOR_ONE.sub(lambda found: found[0][0], letters))


def bare(text: str) -> str:
    """A text without accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def _ways(letter: str) -> str:
    if letter in WRITTEN:
        return WRITTEN[letter]
    ways = sorted(map(re.escape, {letter, bare(letter)} - {""}), key=lambda one: (-len(one), one))
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _plain_letters() -> dict[int, str]:
    found = {ord(one): letter for both, letter in ALSO_PLAIN.items() for one in (both, both.upper())}
    for code in ACCENTED:
        first, *accents = list(unicodedata.normalize("NFD", chr(code)))
        if accents and all(map(unicodedata.combining, accents)):
            found[code] = ALSO_PLAIN.get(first.lower(), first)
    return found


_PLAIN = _plain_letters()
