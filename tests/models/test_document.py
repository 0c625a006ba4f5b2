from pathlib import Path

from pipeline.models.cards import Calibration, Confusion, TrainingReport
from pipeline.models.document import main, metrics_table, page, shipped_section
from pipeline.models.known import known_for, known_models
from pipeline.train import face_report, text_report, voice_report

REPORT = TrainingReport(
    data="some texts",
    split="official",
    command="python -m something",
    metrics={"one": {"n": 10, "accuracy": 0.75, "macro_f1": 0.7}},
    reference={"one": {"accuracy": 0.5}},
    calibration={"one": Calibration(0.2, 0.03)},
    confusion={"one": Confusion(("a", "b"), ((3, 1), (0, 6)))},
    size_bytes=1_500_000,
    milliseconds=0.5,
)


def test_figures_stand_beside_their_reference() -> None:
    table = metrics_table(REPORT)
    assert "| one | 10 | 0.750 (0.500) |  | 0.700 |  | 0.200 → 0.030 |" in table


def test_a_section_names_what_a_user_must_know() -> None:
    section = shipped_section(known_for("xlm-roberta").card(), REPORT)
    for part in ("concerned → unmapped", "MIT", "python -m something", "1.50 MB", "| a | 3 | 1 |"):
        assert part in section


def test_every_model_is_on_the_page_and_says_how_it_is_checked(tmp_path: Path) -> None:
    main(["--page", str(tmp_path / "docs" / "MODELS.md")])
    written = (tmp_path / "docs" / "MODELS.md").read_text(encoding="utf-8")
    assert written == page()
    assert all(f"`{model.id}`" in written for model in known_models())
    assert "recorded at first pull" in written and "pinned" in written


def test_the_committed_page_is_the_one_that_would_be_written() -> None:
    assert Path(__file__).parents[2].joinpath("docs/MODELS.md").read_text(encoding="utf-8") == page()


def test_known_weaknesses_of_every_model_are_on_the_page() -> None:
    for findings in (face_report.FINDINGS, text_report.FINDINGS, voice_report.FINDINGS):
        assert findings in page(), "put the training code's findings into the committed report"
