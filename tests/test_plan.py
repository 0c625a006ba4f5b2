"""What can be refused before anything is made."""

from pathlib import Path

import pytest

from pipeline.media.container import MediaError
from pipeline.plan import Request, UsageError, choose, explain, named_folder, plan


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_an_out_that_names_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--out names no folder; leave it out, or give it one"):
        named_folder(text)


def test_an_out_that_is_not_utf_8_is_refused():
    with pytest.raises(UsageError, match="not valid UTF-8"):
        named_folder("\udcb2")


def test_an_out_is_taken_as_it_is():
    assert named_folder(None) is None
    assert named_folder("a/b") == Path("a/b") and named_folder(".") == Path()


def test_subtitles_that_only_lie_beside_the_film_and_cannot_be_read_are_a_loss(tmp_path, made):
    video = tmp_path / "talk.mp4"
    video.symlink_to(made("plain.mp4"))
    (tmp_path / "talk.srt").write_bytes(b"no subtitles")
    planned = plan(choose(Request(video, out=tmp_path / "out")))
    assert "subtitles" not in planned.sources
    assert "talk.srt" in planned.settings["words"].loss
    with pytest.raises(MediaError, match=r"talk\.srt"):
        choose(Request(video, out=tmp_path / "out", transcript=tmp_path / "talk.srt"))


def test_which_subtitles_of_several_are_read_is_said(tmp_path, made):
    video = tmp_path / "talk.mp4"
    video.symlink_to(made("plain.mp4"))
    for name in ("talk.srt", "talk.de.srt"):
        (tmp_path / name).write_text("1\n00:00:00,000 --> 00:00:01,000\nJa.\n")
    planned = plan(choose(Request(video, out=tmp_path / "out")))
    assert planned.sources["subtitles"].path.name == "talk.srt"
    assert "talk.de.srt" in planned.settings["words"].note


def test_explain_writes_nothing_into_a_work_folder(tmp_path, made):
    mine = tmp_path / "out" / ".work" / "digests.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    explain(Request(made("plain.mp4"), out=tmp_path / "out"))
    assert mine.read_text() == "mine" and list(mine.parent.iterdir()) == [mine]
