"""What the page runs and what it may do: its scripts, their fingerprints, and data that cannot break out."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OWN = ("player.js", "draw.js", "timeline.js", "table.js", "page.js")
BOKEH = ("bokeh.min.js", "bokeh-api.min.js")  # each begins with its licence
# Everything that could end the element the data stand in, or a line of it, to a browser's parser.
UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Scripts:
    """Scripts in the order they run, and the policy that lets nothing else run and nothing be fetched."""

    texts: tuple[str, ...]
    policy: str


def scripts(chart: bool) -> Scripts:
    """Bokeh's where there is something to draw, and the page's own."""
    own = "\n".join((HERE / name).read_text(encoding="utf-8") for name in OWN)
    texts = (*(_bokeh() if chart else ()), '"use strict";\n' + own)
    return Scripts(texts, policy(texts))


def policy(texts: Sequence[str]) -> str:
    """Content-Security-Policy: these scripts, the film beside the page, pictures inside it, and no network.

    Styles stay free: Bokeh writes its own.
    """
    allowed = " ".join(f"'sha256-{_fingerprint(text)}'" for text in texts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def as_json(value: Any) -> str:
    """JSON that may stand inside a script element whatever is in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(UNSAFE)


def _fingerprint(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _bokeh() -> tuple[str, ...]:
    import bokeh

    folder = Path(bokeh.__file__).parent / "server" / "static" / "js"
    return tuple((folder / name).read_text(encoding="utf-8").strip() for name in BOKEH)
