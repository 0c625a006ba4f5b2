"""What can be refused before anything is made."""

from pathlib import Path

import pytest

from pipeline.plan import UsageError, named_folder


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
