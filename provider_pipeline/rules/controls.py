"""Characters that steer a terminal, begin another line, or show a line in another order than it is written.

Here: taking them out of texts of listings, and escaping them where any text is shown. They are the control characters
(C0, DEL and C1, escape sequences begin with one), the separators of lines and paragraphs, the controls of bidirectional
text, and halves of surrogate pairs, which no terminal takes.
"""

import re
from typing import Final

_BREAKS: Final = "\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029"
_OTHERS: Final = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_BREAK: Final = re.compile(f"[{_BREAKS}]+")
_CONTROL: Final = re.compile(f"[{_OTHERS}{_BREAKS}]")
_CONTROL_OF_PROSE: Final = re.compile(f"(?![\t\n])[{_OTHERS}{_BREAKS}]")


def escaped(text: str) -> str:
    """The text as one line that can be shown anywhere; such characters stand as Python writes them, in ASCII."""
    return text if text.isprintable() else _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """The text of a name: breaks are spaces, and control characters are left out."""
    return text if text.isprintable() else _CONTROL.sub("", _BREAK.sub(" ", text)).strip()


def prose(text: str) -> str:
    """A text that may have several lines, without control characters."""
    return text if text.isprintable() else _CONTROL_OF_PROSE.sub("", text)


def has_controls(text: str) -> bool:
    """Whether any of these characters is in the text."""
    return not text.isprintable() and _CONTROL.search(text) is not None
