"""Text from the video made safe for the formats it goes into."""

import re

from pipeline.types import Analysis
from pipeline.writers.facts import one_line

NAMELESS = "film"

# Everything outside the Char production of XML 1.0 (fifth edition, 2.2); control characters go in one_line.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """One line of characters that XML can hold; its markup is escaped by whoever writes the XML."""
    return one_line(_NOT_XML.sub(" ", text))


def film_name(analysis: Analysis) -> str:
    """The video's name in one line; never empty."""
    return xml_text(analysis.name) or NAMELESS
