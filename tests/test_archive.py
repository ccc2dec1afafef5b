# SPDX-License-Identifier: Apache-2.0
"""The folder of runs: begun whole or not at all, taken over by one, tidied without touching what is open."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qiskit_parallel_ionq import archive as module
from qiskit_parallel_ionq import chronicle
from qiskit_parallel_ionq.archive import KEEP_SECONDS, Archive
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.errors import JournalError, RunBusyError
from qiskit_parallel_ionq.journal import Disk
from qiskit_parallel_ionq.state_folder import VARIABLE, default_folder, is_run_id

RUN = Run("r" * 22, 2, "simulator", seed=1, shots=(5, 5))
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes and links")
as_user = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


class FullDisk(Disk):
    """Writes so many bytes and no more."""

    def __init__(self, room):
        self.room = room

    def write(self, handle, data):
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        super().write(handle, data)


class BrokenDisk(Disk):
    def sync(self, handle):
        raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def archive(folder):
    return Archive(folder)


def run(letter):
    return replace(RUN, id=letter * 22)


def finished(archive, letter, *, age=0.0):
    """A run that is over, and was long ago."""
    journal = archive.begin(run(letter))
    journal.put_body(b"x"), journal.put_result(b"x")
    journal.note({"is": "over"})
    journal.close()
    then = time.time() - age
    os.utime(archive.path(letter * 22), (then, then))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ── where ──


@pytest.mark.parametrize("text", ["a" * 22, "0Zz" * 7 + "x", "a" * 22 + ".1"])
def test_ids_of_runs_are_recognised(text):
    assert is_run_id(text)


@pytest.mark.parametrize(
    "text", ["", "a" * 21, "a" * 23, "../" + "a" * 19, "a" * 22 + "\n", "a" * 22 + ".x", "é" * 22, None, 7]
)
def test_nothing_else_becomes_part_of_a_file_s_name(text, archive):
    assert not is_run_id(text)
    assert not archive.holds(text)
    if isinstance(text, str):
        with pytest.raises(JournalError):
            archive.path(text)


def test_the_folder_is_the_user_s_choice_else_the_platform_s(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert Archive().folder == tmp_path / "mine"
    monkeypatch.delenv(VARIABLE)
    assert default_folder().name == "qiskit-parallel-ionq"
    assert Archive(tmp_path).folder == tmp_path


def test_making_an_archive_touches_no_disk(folder):
    archive = Archive(folder)
    assert list(archive.runs()) == []
    assert not archive.holds("a" * 22)
    assert not folder.exists()


# ── begin ──


def test_a_run_that_has_begun_can_be_read_by_anybody(archive, folder):
    journal = archive.begin(RUN)
    story = Archive(folder).read(RUN.id)
    assert (story.run, story.epoch, story.is_damaged) == (RUN, 1, False)
    assert list(archive.runs()) == [RUN.id]
    journal.close()


@posix
def test_folder_and_files_are_the_user_s_alone(archive, folder):
    umask = os.umask(0)
    try:
        archive.begin(RUN).close()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / "reserve").stat().st_size == 1 << 20


HEADER = len(chronicle.line(chronicle.header(RUN)))


@pytest.mark.parametrize(
    "disk",
    [FullDisk(0), FullDisk(1 << 20), FullDisk((1 << 20) + HEADER), BrokenDisk()],
    ids=["reserve", "header", "owner", "flush"],
)
def test_a_run_that_cannot_be_recorded_leaves_no_half_of_it_behind(folder, disk):
    archive = Archive(folder, disk=disk)
    with pytest.raises(JournalError):
        archive.begin(RUN)
    assert names(folder) == ["reserve"]
    Archive(folder).begin(RUN).close()  # nothing holds it, either


def test_a_folder_that_is_none_is_named(folder):
    folder.write_text("")
    with pytest.raises(JournalError, match=f"{folder.name}.*{VARIABLE}"):
        Archive(folder).begin(RUN)


def test_something_else_in_the_place_of_the_reserve_keeps_no_run_from_beginning(archive, folder):
    (folder / "reserve").mkdir(parents=True)
    archive.begin(RUN).close()
    assert archive.holds(RUN.id)


@as_user
@posix
def test_a_folder_without_permission_is_named(folder):
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(JournalError, match=r"Permission denied.*state_dir"):
        Archive(folder).begin(RUN)


@pytest.mark.parametrize(("number", "is_fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
@posix
def test_a_folder_that_cannot_be_flushed_is_fatal_only_where_it_can_be(
    archive, monkeypatch, number, is_fatal
):
    def fsync(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.os, "fsync", fsync)
    if is_fatal:
        with pytest.raises(JournalError):
            archive.begin(RUN)
        assert not archive.holds(RUN.id)
    else:
        archive.begin(RUN).close()


@posix
def test_a_link_in_the_place_of_a_new_run_is_not_followed(archive, folder, tmp_path):
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    archive.path(RUN.id).symlink_to(victim)
    with pytest.raises(JournalError):
        archive.begin(RUN)
    assert victim.read_text() == "precious"


# ── read, take over ──


def test_what_is_not_there_cannot_be_read_or_taken_over(archive):
    for verb in (archive.read, archive.take_over, archive.read_along):
        with pytest.raises(JournalError, match="no record"):
            verb("a" * 22)
    assert not archive.folder.exists()


def test_a_takeover_says_whose_run_it_is_now_and_goes_on_in_the_same_file(archive):
    archive.begin(RUN).close()
    for epoch in (2, 3):
        journal, story = archive.take_over(RUN.id)
        assert story.epoch == epoch - 1
        journal.note({"is": "project", "id": f"p{epoch}"})
        journal.close()
    story = archive.read(RUN.id)
    assert (story.epoch, story.project) == (3, "p3")


def test_a_run_is_taken_over_by_one_at_a_time_and_read_along_by_any(archive, folder):
    journal = archive.begin(RUN)
    with pytest.raises(RunBusyError):
        Archive(folder).take_over(RUN.id)
    assert archive.read_along(RUN.id)[1].run == RUN
    journal.close()
    journal, _ = Archive(folder).take_over(RUN.id)
    with pytest.raises(RunBusyError):
        archive.take_over(RUN.id)
    journal.close()


def test_a_last_line_that_was_torn_is_cut_off_before_anything_is_added(archive):
    archive.begin(RUN).close()
    path = archive.path(RUN.id)
    whole = path.read_bytes()
    path.write_bytes(whole + chronicle.line({"is": "over"})[:-4])
    archive.take_over(RUN.id)[0].close()
    assert path.read_bytes().startswith(whole)
    story = archive.read(RUN.id)
    assert (story.is_damaged, story.epoch) == (False, 2)


def test_a_damaged_record_is_handed_out_untouched(archive):
    archive.begin(RUN).close()
    path = archive.path(RUN.id)
    data = path.read_bytes() + b"00000000 {}\n" + chronicle.line({"is": "over"})
    path.write_bytes(data)
    journal, story = archive.take_over(RUN.id)
    assert story.is_damaged
    journal.close()
    assert path.read_bytes() == data


def test_a_takeover_that_fails_lets_go_of_the_run(archive, folder):
    archive.begin(RUN).close()
    path = archive.path(RUN.id)
    whole = path.read_bytes()
    path.write_bytes(b"?" + whole[1:])
    for _ in range(2):
        with pytest.raises(JournalError, match="no journal"):
            archive.take_over(RUN.id)
    path.write_bytes(whole)
    with pytest.raises(JournalError, match="cannot be written"):
        Archive(folder, disk=FullDisk(10)).take_over(RUN.id)
    archive.take_over(RUN.id)[0].close()


def test_runs_are_listed_the_latest_first_and_strangers_files_are_not(archive, folder):
    for letter, age in (("a", 50.0), ("b", 10.0), ("c", 90.0)):
        finished(archive, letter, age=age)
    (folder / "notes.journal").write_text("mine")
    (folder / f"{'d' * 22}.txt").write_text("mine")
    assert list(archive.runs()) == ["b" * 22, "a" * 22, "c" * 22]


# ── tidying ──


def test_old_runs_that_are_over_go_with_all_their_files(archive, folder):
    finished(archive, "a", age=KEEP_SECONDS + 60)
    finished(archive, "b", age=KEEP_SECONDS - 60)
    archive.tidy(time.time())
    assert list(archive.runs()) == ["b" * 22]
    assert {name.partition(".")[0] for name in names(folder)} == {"b" * 22, "reserve"}


def test_a_run_with_a_circuit_without_an_end_is_never_touched(archive, monkeypatch):
    monkeypatch.setattr(module, "KEEP_RUNS", 0)
    for letter, last in (
        ("a", [{"is": "detached"}]),
        ("b", []),
        ("c", [{"is": "over"}, {"is": "owner", "epoch": 2}]),
    ):
        journal = archive.begin(run(letter))
        for record in last:
            journal.note(record)
        journal.close()
        os.utime(archive.path(letter * 22), (0, 0))
    with archive.path("b" * 22).open("ab") as file:
        file.write(chronicle.line({"is": "over"})[:-3])  # torn
    archive.tidy(time.time())
    assert sorted(archive.runs()) == ["a" * 22, "b" * 22, "c" * 22]


def test_of_more_finished_runs_than_are_kept_the_oldest_go(archive, monkeypatch):
    monkeypatch.setattr(module, "KEEP_RUNS", 2)
    for letter, age in (("a", 10.0), ("b", 30.0), ("c", 20.0)):
        finished(archive, letter, age=age)
    archive.tidy(time.time())
    assert list(archive.runs()) == ["a" * 22, "c" * 22]


def test_a_file_that_cannot_be_deleted_keeps_no_run_from_beginning(archive, folder, monkeypatch):
    finished(archive, "a", age=KEEP_SECONDS * 2)

    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refuse)
    Archive(folder).begin(RUN).close()
    assert archive.holds("a" * 22)


def test_beginning_tidies_once(archive, folder):
    finished(archive, "a", age=KEEP_SECONDS * 2)
    assert archive.holds("a" * 22)  # this archive had tidied before
    second = Archive(folder)
    second.begin(RUN).close()
    assert not second.holds("a" * 22)
    finished(second, "b", age=KEEP_SECONDS * 2)
    second.begin(run("c")).close()
    assert second.holds("b" * 22)


def test_a_reserve_that_was_given_up_is_laid_again_by_the_next_program(folder):
    Archive(folder).begin(RUN).close()
    (folder / "reserve").unlink()
    Archive(folder).begin(run("a")).close()
    assert (folder / "reserve").stat().st_size == 1 << 20


@pytest.mark.usefixtures("caplog")
def test_tidying_an_empty_place_is_no_error(archive, caplog):
    caplog.set_level(logging.DEBUG)
    archive.tidy(time.time())
    assert caplog.records == []


# ── what others may have changed ──


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_folder_that_any_user_can_write_to_is_reported_once(folder, caplog, mode):
    folder.mkdir()
    folder.chmod(mode)
    archive = Archive(folder)
    for letter in "ab":
        archive.begin(run(letter)).close()
    archive.read("a" * 22)
    warnings = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(folder) in caplog.text
    assert f"chmod o-w {folder}" in caplog.text
    Archive(folder).read("b" * 22)
    assert caplog.text.count("chmod") == 2


@posix
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775])
def test_a_folder_that_not_everyone_can_write_to_is_not(folder, caplog, mode):
    folder.mkdir()
    folder.chmod(mode)
    Archive(folder).begin(RUN).close()
    assert caplog.text == ""


def test_a_run_that_is_recorded_already_is_not_begun_again(archive):
    archive.begin(RUN).close()
    before = archive.path(RUN.id).read_bytes()
    with pytest.raises(RunBusyError, match="recorded already"):
        archive.begin(RUN)
    assert archive.path(RUN.id).read_bytes() == before


def test_a_record_under_the_name_of_another_run_is_not_believed(archive, folder):
    archive.begin(RUN).close()
    (folder / f"{'o' * 22}.journal").write_bytes(archive.path(RUN.id).read_bytes())
    with pytest.raises(JournalError, match="another run"):
        archive.read("o" * 22)
