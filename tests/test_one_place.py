"""What is said in one place: no other source file says it again."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "pipeline"


@pytest.mark.parametrize(
    ("by_hand", "rooms"),
    [
        (r'[!=]= "masking"', ("",)),  # types.ALARMS tells alarms from information
        (r'"(box|time_us|speech_share)"', ("writers", "fusion")),  # records.BOX_KEY and its like
    ],
)
def test_not_written_by_hand(by_hand: str, rooms: tuple[str, ...]) -> None:
    files = (path for room in rooms for path in (ROOT / room).rglob("*.py"))
    again = [str(f.relative_to(ROOT)) for f in files if re.search(by_hand, f.read_text(encoding="utf-8"))]
    assert again == []
