"""Pages say what the code says."""

import re
from pathlib import Path

import pytest

from pipeline.fusion import channels
from pipeline.graph import OBSERVING, PICTURING, STAGES, WRITES
from pipeline.privacy import LIBRARY_FOLDERS, SWITCHES
from pipeline.types import Status
from pipeline.writers import captions
from pipeline.writers.columns import display
from pipeline.writers.evidence import REASONS
from pipeline.writers.table import conflict_columns, integrated_columns, sample_columns

ROOT = Path(__file__).parent.parent


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_column_and_status_is_explained():
    outputs = page("docs/OUTPUTS.md")
    sampled = [column for m in ("face", "voice") for column in sample_columns(display(m))]
    columns = {*integrated_columns(OBSERVING), *conflict_columns(OBSERVING)}
    columns |= {*captions.COLUMNS, *captions.WORD_COLUMNS}
    columns |= {c for c in sampled if not c.startswith(("Smoothed_", "Raw_"))}
    assert [column for column in sorted(columns) if f"`{column}`" not in outputs] == []
    assert [s for s in Status if f"`{s}`" not in outputs] == []


def test_every_reason_not_to_compare_is_explained():
    outputs = page("docs/OUTPUTS.md")
    assert [reason for reason in REASONS if f"| `{reason}` |" not in outputs] == []
    own = {channels.TOO_BRIEF, channels.SEEN_TOO_LITTLE, channels.LOW_QUALITY, channels.UNDECIDED}
    assert set(REASONS) == own | {channels.DOUBTFUL, channels.NOT_SPEAKING}


def test_every_switch_is_on_the_page_of_privacy():
    privacy = page("docs/PRIVACY.md")
    assert [name for name in (*SWITCHES, *LIBRARY_FOLDERS) if f"`{name}`" not in privacy] == []
    files = {pattern for stage in PICTURING for pattern in WRITES.get(stage, ())}
    assert [name for name in files if f"`{name.replace('[0-9]', '')}`" not in privacy] == []


def test_every_stage_has_its_contract():
    contracts = page("docs/CONTRACTS.md")
    assert [stage.name for stage in STAGES if f"| `{stage.name}` |" not in contracts] == []


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_somewhere(name):
    targets = re.findall(r"\]\(([^)#:]+)\)", page(name))
    assert [t for t in targets if not (ROOT / name).parent.joinpath(t).exists()] == []
