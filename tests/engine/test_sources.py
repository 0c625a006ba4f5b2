"""A digest belongs to the file as it was before and after it was read."""

import os

import pytest

from pipeline.engine import sources
from pipeline.engine.files import file_digest
from pipeline.engine.sources import SourceChangedError, has_memory, read_source


@pytest.fixture
def hashed(monkeypatch):
    """Paths of which a digest was taken."""
    paths = []
    monkeypatch.setattr(sources, "file_digest", lambda path: paths.append(path.name) or file_digest(path))
    return paths


def test_a_second_look_reads_nothing(tmp_path, hashed):
    video, memory = tmp_path / "a.mp4", tmp_path / "w" / "digests.json"
    video.write_bytes(b"v")
    first = read_source(video, memory)
    assert read_source(video, memory) == first and hashed == ["a.mp4"]
    assert read_source(video, None) == first and hashed == ["a.mp4"] * 2


def test_a_file_of_the_same_size_and_time_is_another(tmp_path, hashed):
    video, other, memory = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "digests.json"
    video.write_bytes(b"v")
    first, state = read_source(video, memory), video.stat()
    other.write_bytes(b"w")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(video)
    assert video.stat().st_mtime_ns == state.st_mtime_ns
    assert read_source(video, memory).digest == file_digest(video) != first.digest
    assert len(hashed) == 2


def test_a_flipped_bit_in_the_memory_is_noticed(tmp_path, hashed):
    video, memory = tmp_path / "a.mp4", tmp_path / "digests.json"
    video.write_bytes(b"v")
    digest = read_source(video, memory).digest
    text = memory.read_text()
    memory.write_text(text.replace(digest, digest[:-1] + ("0" if digest[-1] != "0" else "1")))
    assert read_source(video, memory).digest == digest and len(hashed) == 2
    assert memory.read_text() == text


def test_a_name_that_is_not_utf_8_is_remembered_too(tmp_path, hashed):
    video, memory = tmp_path / "\udcb2.mp4", tmp_path / "digests.json"
    video.write_bytes(b"v")
    assert read_source(video, memory) == read_source(video, memory) and len(hashed) == 1


def test_each_file_is_remembered_once(tmp_path):
    video, memory = tmp_path / "a.mp4", tmp_path / "digests.json"
    for content in (b"1", b"22", b"333"):
        video.write_bytes(content)
        read_source(video, memory)
    assert len(sources.read_state(memory, sources.MEMORY)) == 1


@pytest.mark.parametrize("then", [b"longer", b"w"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused_and_not_remembered(
    then, tmp_path, monkeypatch
):
    video, memory = tmp_path / "a.mp4", tmp_path / "digests.json"
    video.write_bytes(b"v")
    os.utime(video, (1, 1))

    def digest(path):
        value = file_digest(path)
        path.write_bytes(then)
        return value

    monkeypatch.setattr(sources, "file_digest", digest)
    with pytest.raises(SourceChangedError, match=r"a\.mp4 changed while it was read; run the same command"):
        read_source(video, memory)
    assert not memory.exists()


def test_a_memory_that_cannot_be_kept_costs_only_time(tmp_path):
    video = tmp_path / "a.mp4"
    video.write_bytes(b"v")
    (tmp_path / "file").touch()
    assert read_source(video, tmp_path / "file" / "digests.json").digest == file_digest(video)


def test_a_link_costs_one_more_digest_and_the_memory_is_not_used_for_it(tmp_path, hashed):
    video, memory = tmp_path / "a.mp4", tmp_path / "digests.json"
    video.write_bytes(b"v")
    source = read_source(video, memory)
    (tmp_path / "b.mp4").hardlink_to(video)
    source.check()
    source.check()
    assert hashed == ["a.mp4"] * 2
    assert read_source(video, memory).digest == source.digest and hashed == ["a.mp4"] * 3


def test_bytes_that_change_under_the_same_size_and_time_are_a_change(tmp_path):
    video = tmp_path / "a.mp4"
    video.write_bytes(b"v")
    source, state = read_source(video, None), video.stat()
    video.write_bytes(b"w")
    os.utime(video, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(SourceChangedError):
        source.check()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"a": [[1, 2, 3, 4, 5], "x", "y"]}', '{"mine": 1}'])
def test_only_a_memory_of_ours_is_one(text, tmp_path):
    video, memory = tmp_path / "a.mp4", tmp_path / "digests.json"
    memory.write_text(text)
    assert not has_memory(memory) and not has_memory(tmp_path / "none")
    video.write_bytes(b"v")
    read_source(video, memory, remember=False)
    assert memory.read_text() == text
    read_source(video, memory)
    assert has_memory(memory)
