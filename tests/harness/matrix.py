# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: everything that can go wrong, at every step of a circuit's way, played and judged.

``python -m tests.harness.matrix`` plays all cells and writes the table to ``docs/fault-matrix.md``.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial
from pathlib import Path

from . import report, trials, wires
from .faults import Fault, status
from .moments import STEPS
from .tls import CERTIFICATE
from .trials import CANCELLED, HOUR, MOST_REQUESTS

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"
READS = ("poll", "page", "result", "resume")
REQUESTS = ("answer", "poll", "page", "result", "cancel", "resume")
OFFLINE = ("serialise", "write intent", "write acceptance", "write result")
ON_THE_WAY = ("connect", "TLS", "send")

NO_REQUEST = "no request is made at this step"
STANDS = "the connection stands by then"
NO_ANSWER = "it is an answer, and there is none yet"
NO_JOB = "it says that there is no job; one that was stored all the same cannot be told from none"
BEFORE = "the effect comes before the answer, and nothing comes after it"
NO_EFFECT = "it changes nothing in the service"
NOT_WHOLE = "a request has no effect before all of it is there"
NO_BYTE = "not a byte passes"
SAME = "as under *answer*: what was stored is not told either way"
NO_ID = "it gives no id"
NO_LISTING = "it reads no listing"
NO_JOB_YET = "it asks no job how it stands"
ONE_PAGE = "it is one page"
DENIED = "a job whose answer was lost, and that is denied before anybody saw it, cannot be told from none"
ENDS = "what is cancelled does not end by itself"
HOLDS = "its files are open by then"
NO_THREAD = "the thread that does it runs already"


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one step.

    Attributes:
        fault: the row.
        step: the column.
        play: plays it, given a folder, and raises AssertionError unless all went well; None where it
            cannot happen.
        reason: why it cannot.
        is_on_wire: whether it takes real sockets, and so real time.
    """

    fault: str
    step: str
    play: Callable[[Path], None] | None = None
    reason: str = ""
    is_on_wire: bool = False


class Row:
    """The cells of one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.cells: dict[str, Cell] = {}

    def virtual(self, steps: Iterable[str], play: Callable[..., None], *args: object, **given: object) -> Row:
        """Play it in virtual time at some steps; those that have a cell keep it."""
        for step in steps:
            self._put(Cell(self.fault, step, _anywhere(partial(play, step, *args, **given))))
        return self

    def wire(self, steps: Iterable[str], kind: str) -> Row:
        """Play it over sockets at some steps."""
        for step in steps:
            self._put(Cell(self.fault, step, partial(wires.play, step, kind), is_on_wire=True))
        return self

    def never(self, steps: Iterable[str], reason: str) -> Row:
        """Say why it cannot happen at some steps."""
        for step in steps:
            self._put(Cell(self.fault, step, reason=reason))
        return self

    def _put(self, cell: Cell) -> None:
        self.cells.setdefault(cell.step, cell)


def _anywhere(play: Callable[[], None]) -> Callable[[Path], None]:
    return lambda _: play()


# ── the rows ──


def _network() -> list[Row]:
    named = [Row("name not resolved"), Row("connection refused")]
    for row in named:
        row.virtual(("connect", *READS, "cancel"), trials.unsent)
        row.never(OFFLINE, NO_REQUEST).never(STEPS, STANDS)
    before = Row("reset before the effect").virtual(("connect",), trials.unsent)
    before.wire(("TLS", "send", *READS, "cancel"), "reset").virtual(("store",), trials.struck, Fault("reset"))
    after = Row("reset after the effect").wire(("answer",), "reset")
    after.virtual(("store", "cancel"), trials.struck, Fault("reset", after=True))
    stall = Row("stall").virtual(("connect",), trials.unsent, 10.0).wire(("TLS", "send", *REQUESTS), "stall")
    stall.virtual(("store",), trials.struck, Fault("stall"))
    drip = Row("slow drip").wire(("TLS", "send", *REQUESTS), "drip")
    drip.never(("connect",), NO_BYTE).never(("store",), SAME)
    before.never(("answer",), BEFORE)
    after.never(READS, NO_EFFECT).never(ON_THE_WAY, NOT_WHOLE)
    return [*named, *(row.never(OFFLINE, NO_REQUEST) for row in (before, after, stall, drip))]


def _answers() -> list[Row]:
    rows = [_refusal(code, ("ApiError", "NotFoundError")) for code in (400, 404, 413, 422)]
    rows += [_refusal(code, (), rest=("AuthenticationError", "PermissionDeniedError", "ApiError"))
             for code in (401, 402, 403)]  # fmt: skip
    rows += [_doubtful(str(code), [status(code)]) for code in (408, 409)]
    rows.sort(key=lambda row: row.fault)
    rows += [
        _pushed_back("429", lambda: None),
        _pushed_back("429, Retry-After in seconds", lambda: "7"),
        _pushed_back("429, Retry-After as a date", _soon),
    ]
    rows += [_doubtful(str(code), [status(code)]) for code in (500, 502, 503, 504)]
    rows += [_doubtful("520–530", [status(code) for code in range(520, 531)])]
    rows += [_doubtful("redirect", [Fault("redirect")])]
    for row in rows:
        row.never(OFFLINE, NO_REQUEST).never(ON_THE_WAY, NO_ANSWER)
    return rows


def _refusal(code: int, allowed: tuple[str, ...], rest: tuple[str, ...] = ()) -> Row:
    row = Row(str(code)).virtual(("answer",), trials.struck, status(code), allowed=allowed, rest=rest)
    return row.virtual((*READS, "cancel"), trials.struck, status(code)).never(("store",), NO_JOB)


def _doubtful(name: str, struck_with: list[Fault]) -> Row:
    """Return the row of answers that leave it open whether there is a job: before its effect and after."""

    def play(step: str, *, after: bool) -> None:
        for fault in struck_with:
            trials.struck(step, Fault(fault.kind, after=after, status=fault.status))

    row = Row(name).virtual(("answer", *READS), play, after=False).virtual(("store",), play, after=True)
    both = [partial(play, "cancel", after=after) for after in (False, True)]
    return row.virtual(("cancel",), lambda _: [each() for each in both])


def _pushed_back(name: str, retry_after: Callable[[], str | None]) -> Row:
    def play(step: str) -> None:
        trials.struck(step, status(429, retry_after=retry_after()))

    return Row(name).virtual(REQUESTS, play).never(("store",), NO_JOB)


def _soon() -> str:
    """Return a date that is near; the client compares it with the clock of this machine."""
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)


def _bodies() -> list[Row]:
    truncated = Row("truncated").wire(("TLS", *REQUESTS), "truncated").never(("store",), SAME)
    garbage = Row("not JSON").wire(("TLS",), "garbage").virtual(READS, trials.struck, Fault("garbage"))
    garbage.virtual(("answer", "store", "cancel"), trials.struck, Fault("garbage", after=True))
    oversize = Row("oversize").wire(REQUESTS, "oversize").never(("store",), SAME)
    rows = [truncated, garbage, oversize]
    for row in rows:
        row.never(OFFLINE, NO_REQUEST).never(ON_THE_WAY, NO_ANSWER)
    for name, kinds in (
        ("no id", ["no id"]),
        ("wrong id", ["wrong id", "unknown id"]),
        ("repeated id", ["repeated id"]),
    ):
        row = Row(name).virtual(("answer",), _each_kind, kinds)
        rows.append(row.never(("store",), SAME).never(OFFLINE, NO_REQUEST).never(STEPS, NO_ID))
    late = Row("late commit").virtual(("store",), _late).virtual(("page", "resume"), trials.late, 120.0)
    late.never(OFFLINE, NO_REQUEST).never(ON_THE_WAY, NOT_WHOLE)
    late.never(("answer",), "as under *store*")
    return [*rows, late.never(STEPS, "no submission is late that was answered")]


def _each_kind(step: str, kinds: list[str]) -> None:
    for kind in kinds:
        trials.struck(step, Fault(kind, after=True))


def _late(step: str) -> None:
    for seconds in (1.0, 30.0, 240.0):
        trials.struck(step, Fault("late", seconds=seconds))


def _listings() -> list[Row]:
    lag = Row("listing lags behind").virtual(("page", "resume"), trials.listed, Fault("stale", seconds=60.0))
    shuffled = Row("listing in another order").virtual(
        ("poll", "page", "resume"), trials.listed, Fault("shuffled")
    )
    twice = Row("rows that come twice").virtual(
        ("poll", "page", "resume"), trials.listed, Fault("repeated rows")
    )
    circle = Row("cursor that leads in a circle").virtual(
        ("page", "resume"), trials.listed, Fault("cursor loop")
    )
    lag.never(("poll",), "it names its jobs, and these are shown at once")
    circle.never(("poll",), ONE_PAGE)
    return [row.never(OFFLINE, NO_REQUEST).never(STEPS, NO_LISTING) for row in (lag, shuffled, twice, circle)]


def _jobs() -> list[Row]:
    words = Row("unknown status word").virtual((*READS, "cancel"), trials.odd_job, "odd status")
    gone_errors = (CANCELLED, "NotFoundError", "CircuitFailedError")
    rows = [words]
    for name, kind in (("completed, then canceled", "canceled at last"), ("completed, then 404", "gone")):
        row = Row(name).virtual(("poll", "resume"), trials.odd_job, kind, 0.0, gone_errors)
        row.virtual(("result",), trials.odd_job, kind, 0.03, gone_errors)
        rows.append(row.never(("page",), DENIED).never(("cancel",), ENDS))
    return [row.never(OFFLINE, NO_REQUEST).never(STEPS, NO_JOB_YET) for row in rows]


def _machine() -> list[Row]:
    return [
        Row("clock set forward an hour").virtual(STEPS, trials.befallen, "set_clock", HOUR),
        Row("clock set back an hour").virtual(STEPS, trials.befallen, "set_clock", -HOUR),
        Row("disk full (ENOSPC)").virtual(STEPS, trials.bad_disk, "write", errno.ENOSPC),
        Row("disk failing (EIO)").virtual(STEPS, trials.bad_disk, "sync", errno.EIO),
        Row("read-only folder").virtual(("serialise", "resume"), trials.read_only).never(STEPS, HOLDS),
        Row("torn last line").virtual(STEPS, trials.spoilt_record, torn=True),
        Row("flipped byte").virtual(STEPS, trials.spoilt_record, torn=False),
    ]


def _program() -> list[Row]:
    threads = ("serialise", "connect", "poll", "page", "result", "cancel", "resume")
    return [
        Row("second resumer").virtual(STEPS, trials.befallen, "meddle"),
        Row("fork").virtual(STEPS, trials.befallen, "fork"),
        Row("SIGINT").virtual(STEPS, trials.ended, "interrupt", "NotSentError"),
        Row("SIGINT twice").virtual(STEPS, trials.ended, "interrupt_twice"),
        Row("SIGTERM, SIGKILL").virtual(STEPS, trials.ended, "die"),
        Row("no thread to be had").virtual(threads, trials.threadless).never(STEPS, NO_THREAD),
        Row("end of the program").virtual(STEPS, trials.ended, "exit", "DetachedError", "NotSentError"),
    ]


def rows() -> list[Row]:
    """Return all rows."""
    return [*_network(), *_answers(), *_bodies(), *_listings(), *_jobs(), *_machine(), *_program()]


def cells() -> list[Cell]:
    """Return all cells, row by row."""
    return [row.cells[step] for row in rows() for step in STEPS]


# ── the table ──


def played(those: Iterable[Cell], folder: Path) -> dict[tuple[str, str], str]:
    """Play cells; return what went wrong, by fault and step. Those on the wire are played at the same time."""
    those = [cell for cell in those if cell.play is not None]
    on_wire = [cell for cell in those if cell.is_on_wire]
    with ThreadPoolExecutor(len(on_wire) or 1) as threads:
        wrong = list(threads.map(partial(_gone_wrong, folder), on_wire))
    off_wire = [cell for cell in those if not cell.is_on_wire]
    wrong += [_gone_wrong(folder, cell) for cell in off_wire]
    pairs = zip([*on_wire, *off_wire], wrong, strict=True)
    return {(cell.fault, cell.step): text for cell, text in pairs if text}


def _gone_wrong(folder: Path, cell: Cell) -> str:
    assert cell.play is not None
    try:
        cell.play(Path(tempfile.mkdtemp(dir=folder)))
    except Exception:  # noqa: BLE001 - it is told which cell it was
        return traceback.format_exc()
    return ""


def written(wrong: Mapping[tuple[str, str], str]) -> str:
    """Return the page, given what went wrong."""
    notes: dict[str, int] = {}
    lines = []
    for row in rows():
        marks = []
        for step in STEPS:
            cell = row.cells[step]
            if cell.play is None:
                marks.append(f"–{_raised(notes.setdefault(cell.reason, len(notes) + 1))}")
            else:
                marks.append("**broken**" if (row.fault, step) in wrong else "ok")
        lines.append([row.fault, *marks])
    all_cells = cells()
    count = sum(cell.play is not None for cell in all_cells)
    return report.page(
        "Fault matrix",
        "What can go wrong (rows), at each step of a circuit's way (columns). Each cell is played by the tests: "
        "a run of four circuits that this befalls at this step, most in virtual time with the shipped client, "
        "its journal on disk and a misbehaving service, and the faults that are about bytes over real sockets.",
        "**ok** is a verdict on money and results: each circuit was stored once, no submission went out that "
        "was not announced on disk, none was repeated that was not refused or proven absent, every job that "
        "exists is known, every result is that of its own circuit, what has no result has an error of the "
        "right class, and the run comes to an end, after "
        f"{MOST_REQUESTS} requests at the most. Where the program "
        "ends on the way, another one goes on, and the verdict is on both. *store* is a request that the "
        "service has carried out when the fault strikes; *answer* one that it has not, or whose answer alone "
        "is spoilt. *resume* is the first request of a program that goes on with another's run.",
        report.table(["", *STEPS], lines),
        "\n".join(f"{_raised(number)} {reason}  " for reason, number in notes.items()),
        f"{count} cells played, {len(all_cells) - count} that cannot happen.",
    )


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def main() -> int:
    """Play all cells and write the page; return how the program is to end."""
    logging.disable(logging.CRITICAL)
    os.environ["REQUESTS_CA_BUNDLE"] = str(CERTIFICATE)
    with tempfile.TemporaryDirectory() as folder:
        wrong = played([cell for cell in cells() if not cell.is_on_wire], Path(folder))
        wires.hasten()  # from here on time is real
        wrong |= played([cell for cell in cells() if cell.is_on_wire], Path(folder))
    for (fault, step), text in wrong.items():
        print(f"{fault} at {step}:\n{text}", file=sys.stderr)
    report.write(PAGE, written(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
