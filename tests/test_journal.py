# SPDX-License-Identifier: Apache-2.0
"""The file of a run on good days and bad: shared flushes, full and failing disks, one owner at a time."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from qiskit_parallel_ionq import chronicle, journal
from qiskit_parallel_ionq.chronicle import Place, Run
from qiskit_parallel_ionq.errors import JournalError, RunBusyError
from qiskit_parallel_ionq.journal import BODIES, RESULTS, Disk, Journal, NoRecord, ReadAlong

HEADER = chronicle.header(Run("r" * 22, 1, "simulator", seed=1))
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes and links")


class BadDisk(Disk):
    """Fails on demand: ``room`` bytes are left, or the next flush goes wrong."""

    def __init__(self):
        self.room = None
        self.sync_fails = None
        self.syncs = 0
        self.reserve = None

    def write(self, handle, data):
        if self.room is not None:
            if self.reserve is not None and not self.reserve.exists():
                self.room, self.reserve = self.room + 1000, None
            if len(data) > self.room:
                os.write(handle, data[: self.room])  # as far as it goes
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= len(data)
        super().write(handle, data)

    def sync(self, handle):
        self.syncs += 1
        if self.sync_fails is not None:
            raise OSError(self.sync_fails, os.strerror(self.sync_fails))
        super().sync(handle)


@pytest.fixture
def disk():
    return BadDisk()


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{'r' * 22}.journal"


@pytest.fixture
def book(path, disk):
    reserve = path.with_name("reserve")
    reserve.write_bytes(b"x")
    disk.reserve = reserve
    made = Journal(path, is_new=True, reserve=reserve, disk=disk)
    made.note(HEADER)
    yield made
    made.abandon()


def lines(path):
    return [chronicle.read_line(text) for text in path.read_bytes().splitlines()]


# ── good days ──


def test_what_is_noted_stands_in_the_file_in_order(book, path):
    for number in range(5):
        book.note({"is": "sent", "n": number})
    assert [line.get("n") for line in lines(path)[1:]] == [0, 1, 2, 3, 4]


def test_sync_returns_once_all_is_durable_and_costs_nothing_twice(book, disk):
    book.note({"a": 1})
    book.sync()
    assert disk.syncs == 1
    book.sync()
    assert disk.syncs == 1


def test_threads_that_wait_share_a_flush_and_none_returns_before_its_line_is_durable(path):
    flushed_to = []

    class SlowDisk(Disk):
        def sync(self, handle):
            size = os.fstat(handle).st_size
            threading.Event().wait(0.01)
            super().sync(handle)
            flushed_to.append(size)

    book = Journal(path, is_new=True, disk=SlowDisk())
    early = []

    def one(number):
        book.note({"n": number})
        mine = path.read_bytes().index(b'{"n":%d}' % number)
        book.sync()
        if not any(size > mine for size in list(flushed_to)):
            early.append(number)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, range(200)))
    assert early == []
    assert len(flushed_to) < 60
    assert sorted(line["n"] for line in lines(path)) == list(range(200))
    book.close()


def test_requests_and_results_come_back_as_they_were(book):
    body, result = book.put_body(b"request"), book.put_result(b"result")
    assert book.put_body(b"another") == Place(7, 7, book.put_result(b"another").digest)
    assert book.body(body) == b"request"
    assert book.result(result) == b"result"


@pytest.mark.parametrize(
    "spoil", [lambda p: p.write_bytes(b"?equest"), lambda p: p.write_bytes(b"re"), lambda p: p.unlink()]
)
def test_a_request_or_result_that_is_not_as_it_was_is_refused(book, path, spoil):
    body, result = book.put_body(b"request"), book.put_result(b"request")
    spoil(path.with_suffix(BODIES)), spoil(path.with_suffix(RESULTS))
    with pytest.raises(JournalError):
        book.body(body)
    with pytest.raises(JournalError):
        book.result(result)


def test_no_more_requests_are_kept_than_there_shall_be(book, monkeypatch):
    monkeypatch.setattr(journal, "LARGEST_BODIES", 10)
    assert book.put_body(b"12345") is not None
    assert book.put_body(b"123456") is None
    book.sync()


def test_requests_that_are_not_needed_any_more_are_deleted(book, path):
    book.put_body(b"request")
    book.put_result(b"result")
    book.drop_bodies()
    assert not path.with_suffix(BODIES).exists()
    assert path.with_suffix(RESULTS).exists()
    book.drop_bodies()
    book.note({"a": 1})
    book.sync()


def test_who_reads_along_sees_results_and_writes_nothing(book, path):
    place = book.put_result(b"result")
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    reader = ReadAlong(path)
    assert reader.result(place) == b"result"
    reader.note({"a": 1})
    reader.sync(), reader.drop_bodies(), reader.close()
    assert reader.put_body(b"x") is reader.put_result(b"x") is None
    with pytest.raises(JournalError):
        reader.body(place)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before


def test_no_record_keeps_nothing_and_promises_nothing():
    record = NoRecord()
    assert not record.is_kept
    record.note({"a": 1}, precious="x")
    record.sync(), record.drop_bodies(), record.close()
    assert record.put_body(b"x") is record.put_result(b"x") is None
    with pytest.raises(JournalError):
        record.result(Place(0, 1, "x"))


# ── one owner at a time ──


def test_a_second_owner_is_told_who_is_at_it_and_gets_it_once_it_is_free(book, path):
    with pytest.raises(RunBusyError, match="r" * 22):
        Journal(path, is_new=False)
    book.note({"n": 1})  # the first is not disturbed
    book.sync()
    book.close()
    Journal(path, is_new=False).close()


def test_a_lock_that_the_system_cannot_give_is_not_taken_for_somebody_else(path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(journal, "_lock", refuse)
    with pytest.raises(OSError, match="No locks"):
        Journal(path, is_new=True)


def test_a_closed_record_takes_nothing_more_and_says_so(book, path):
    book.close()
    book.close()
    size = path.stat().st_size
    assert book.put_result(b"late") is None
    book.note({"n": 1})
    assert book.put_body(b"late") is None
    with pytest.raises(JournalError, match="closed"):
        book.sync()
    assert path.stat().st_size == size
    assert not path.with_suffix(BODIES).exists()


def test_nobody_writes_into_a_file_while_it_is_being_closed(tmp_path):
    for attempt in range(20):
        book = Journal(tmp_path / f"{attempt}.journal", is_new=True)
        writer = threading.Thread(target=lambda b=book: [b.note({"n": n}) for n in range(50)])
        writer.start()
        book.close()
        stranger = os.open(tmp_path / f"{attempt}.stranger", os.O_RDWR | os.O_CREAT)
        writer.join()
        assert os.fstat(stranger).st_size == 0
        os.close(stranger)


@posix
def test_files_are_the_user_s_alone_and_links_are_not_followed(book, path, tmp_path):
    book.put_body(b"x"), book.put_result(b"x")
    for suffix in (".journal", BODIES, RESULTS):
        assert stat.S_IMODE(path.with_suffix(suffix).stat().st_mode) == 0o600
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    trap = tmp_path / "trap.journal"
    trap.symlink_to(victim)
    for is_new in (True, False):
        with pytest.raises(OSError):
            Journal(trap, is_new=is_new)
    other = Journal(tmp_path / "other.journal", is_new=True)
    (tmp_path / "other.results").symlink_to(victim)
    assert other.put_result(b"x") is None
    other.close()
    assert victim.read_bytes() == b""


def test_a_new_run_never_writes_into_an_old_file(path, book):
    book.close()
    with pytest.raises(FileExistsError):
        Journal(path, is_new=True)


@posix
def test_a_forked_child_lets_go_and_the_parent_s_hold_stays(book, path):
    book.note({"n": 1})
    read, write = os.pipe()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        book.note({"n": 666})
        os.write(write, b"%d" % len(book._handles))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"0"
    os.close(read), os.close(write)
    assert b"666" not in path.read_bytes()
    with pytest.raises(RunBusyError):
        Journal(path, is_new=False)
    book.note({"n": 2})
    book.sync()


# ── bad days ──


def test_a_line_that_found_no_room_leaves_no_half_of_it_and_nothing_more_may_rely_on_the_record(
    book, path, disk, caplog
):
    book.sync()
    disk.room = 10
    book.note({"is": "sent", "n": 0})
    with pytest.raises(JournalError, match="No space left"):
        book.sync()
    assert len(lines(path)) == 1
    assert caplog.text.count("cannot be written") == 1


def test_lines_that_follow_a_lost_one_are_not_written_even_when_there_is_room_again(book, path, disk):
    disk.room = 10
    book.note({"is": "sent", "n": 0})
    disk.room = None
    book.note({"is": "held back", "n": 0})
    assert len(lines(path)) == 1
    with pytest.raises(JournalError):
        book.sync()


def test_for_an_accepted_job_the_reserve_is_given_up_and_nothing_more_is_sent(book, path, disk, capsys):
    disk.room = 10
    book.note({"is": "accepted", "id": "j1"}, precious="circuit 0 is IonQ job j1")
    assert lines(path)[-1] == {"is": "accepted", "id": "j1"}
    assert not path.with_name("reserve").exists()
    assert capsys.readouterr().err == ""
    with pytest.raises(JournalError):
        book.sync()
    book.note({"is": "accepted", "id": "j2"}, precious="circuit 1 is IonQ job j2")
    assert lines(path)[-1] == {"is": "accepted", "id": "j2"}


def test_an_accepted_job_for_which_there_is_no_room_at_all_is_told_on_stderr(book, path, disk, capsys):
    path.with_name("reserve").unlink()
    disk.reserve = None
    disk.room = 10
    for number in (1, 2):
        book.note({"is": "accepted", "id": f"j{number}"}, precious=f"circuit {number} is IonQ job j{number}")
    assert len(lines(path)) == 1
    told = capsys.readouterr().err
    assert "circuit 1 is IonQ job j1" in told
    assert "circuit 2 is IonQ job j2" in told


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_flush_that_failed_is_never_tried_again(book, disk, number):
    disk.sync_fails = number
    book.note({"n": 1})
    with pytest.raises(JournalError):
        book.sync()
    syncs, disk.sync_fails = disk.syncs, None
    with pytest.raises(JournalError):
        book.sync()
    assert disk.syncs == syncs
    book.close()


def test_all_who_wait_hear_of_a_flush_that_failed(book, disk):
    disk.sync_fails = errno.EIO

    def one(number):
        book.note({"n": number})
        with pytest.raises(JournalError):
            book.sync()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(50)))
    assert disk.syncs == 1


def test_a_request_that_cannot_be_kept_stops_the_sending_and_raises_nothing(book, disk, path):
    disk.room = 3
    assert book.put_body(b"request") is None
    assert path.with_suffix(BODIES).stat().st_size == 0
    with pytest.raises(JournalError):
        book.sync()


def test_a_result_that_cannot_be_kept_stops_nothing(book, disk, caplog):
    disk.room = 3
    for _ in range(3):
        assert book.put_result(b"result") is None
    assert caplog.text.count("fetches them again") == 1
    disk.room = None
    book.note({"n": 1})
    book.sync()


def test_a_run_that_never_began_leaves_nothing(book, path):
    book.put_body(b"x"), book.put_result(b"x")
    book.erase()
    assert [p.name for p in path.parent.iterdir()] == ["reserve"]
