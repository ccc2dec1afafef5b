# SPDX-License-Identifier: Apache-2.0
"""The judge: reads what a client and a service wrote down, and says what was promised and not kept. Pure.

========================= ==================================================================================
``intent``                no submission reached the service without a line that announced it
``proof``                 none was sent again without a refusal, or a proof that there was no job
``known``                 once all is quiet, the client can name every job that was stored for it
``once``                  no circuit was charged twice
``told``                  a job that was stored beside another is on record as such
``own``                   a job that was accepted under an id is a job of that circuit
``match``                 the result of a circuit is that of a job that carried it
``ended``                 every circuit has a result, or a reason for having none
``home``                  no request went anywhere else
========================= ==================================================================================
"""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Record = Mapping[str, Any]

REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 411, 413, 415, 422, 429})
"""Answers that say there is no job."""
CLOCK = 0.05
"""Seconds by which two records of one moment may differ: one clock, read and rounded by two programs."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    rule: str
    about: str
    """A token, an id, or the number of a circuit."""
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text} ({self.about})"


@dataclass(frozen=True)
class History:
    """What one run left behind.

    Args:
        run: the run's id: what stands in the middle of its tokens.
        total: how many circuits it had.
        server: the service's log, complete.
        journal: the client's own records; None where none were kept.
        results: circuit -> the one outcome that it gave.
        errors: circuit -> the class of the error that it ended with.
        ids: IonQ jobs that the client names besides.
        tolerance: seconds by which the clocks of the two may differ.
    """

    run: str
    total: int
    server: Sequence[Record]
    journal: Sequence[Record] | None = None
    results: Mapping[int, int] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()
    tolerance: float = CLOCK

    @cached_property
    def stored(self) -> dict[str, list[Record]]:
        """The jobs of this run, by token, as they were stored."""
        jobs = defaultdict(list)
        for record in self.server:
            if record["is"] == "stored" and self._is_mine(record["token"]):
                jobs[record["token"]].append(record)
        return jobs

    @cached_property
    def arrivals(self) -> dict[str, list[Record]]:
        """The submissions of this run that reached the service, by token."""
        requests = defaultdict(list)
        for record in self.server:
            if record["is"] == "request" and record["method"] == "POST" and self._is_mine(record["token"]):
                requests[record["token"]].append(record)
        return requests

    @cached_property
    def told(self) -> dict[str, list[Record]]:
        """The client's records about a submission, by token, in the order in which they were written."""
        tokens = {r["n"]: r["token"] for r in self.journal or () if r["is"] == "parcel"}
        lines = defaultdict(list)
        for record in self.journal or ():
            if record.get("n") in tokens:
                lines[tokens[record["n"]]].append(record)
        return lines

    @cached_property
    def circuits(self) -> dict[str, tuple[int, ...]]:
        """The circuits that jobs with a token carry: those that the client says, else a row of them."""
        told = {
            token: (int(token.split(".")[2], 36), len(jobs[0]["outcomes"]))
            for token, jobs in self.stored.items()
        }
        rows = {token: tuple(range(first, first + count)) for token, (first, count) in told.items()}
        return rows | {r["token"]: tuple(r["circuits"]) for r in self.journal or () if r["is"] == "parcel"}

    @cached_property
    def handed_over(self) -> int:
        """How many circuits were ready to be sent; a program that dies early takes the others with it."""
        if self.journal is None:
            return self.total
        return sum(len(record["circuits"]) for record in self.journal if record["is"] == "parcel")

    @cached_property
    def refused(self) -> frozenset[int]:
        """Numbers of the requests that were answered with a refusal."""
        effective = {r["r"] for r in self.server if r["is"] == "stored"}
        answered = {r["r"] for r in self.server if r["is"] == "answered" and r["status"] in REFUSALS}
        return frozenset(answered - effective)

    @cached_property
    def charged(self) -> dict[str, list[Record]]:
        """The jobs that cost something, by token: all but those that were cancelled before their start."""
        saved = {r["id"] for r in self.server if r["is"] == "canceled" and r["was"] in ("submitted", "ready")}
        return {token: [job for job in jobs if job["id"] not in saved] for token, jobs in self.stored.items()}

    @cached_property
    def in_doubt(self) -> frozenset[str]:
        """Tokens of which the client has said that it does not know."""
        said = {
            token for token, lines in self.told.items() if any(line["is"] == "unresolved" for line in lines)
        }
        unknown = {i for i, error in self.errors.items() if error == "SubmissionUnknownError"}
        return frozenset(said | {token for token, held in self.circuits.items() if unknown & set(held)})

    @cached_property
    def named(self) -> frozenset[str]:
        """Jobs that the client can name."""
        lines = (record for lines in self.told.values() for record in lines)
        return self.ids | {record["id"] for record in lines if "id" in record}

    def _is_mine(self, token: str | None) -> bool:
        return token is not None and token.split(".")[1:2] == [self.run.partition(".")[0]]


Rule = Callable[[History], Iterator[Violation]]


def check(history: History) -> list[Violation]:
    """Return every promise that a history does not keep."""
    return [violation for rule in RULES.values() for violation in rule(history)]


def _intent(history: History) -> Iterator[Violation]:
    if history.journal is None:
        return
    for token, arrivals in history.arrivals.items():
        announced = [line["t"] for line in history.told[token] if line["is"] == "sent"]
        if len(announced) < len(arrivals):
            text = f"{len(arrivals)} submissions came, and {len(announced)} were announced"
            yield Violation("intent", token, text)
        elif any(came["at"] < at - history.tolerance for came, at in zip(arrivals, announced, strict=False)):
            yield Violation("intent", token, "a submission came before it was announced")


def _proof(history: History) -> Iterator[Violation]:
    if history.journal is None:
        return
    for token, lines in history.told.items():
        is_open = False
        for line in lines:
            if line["is"] == "sent":
                if is_open:
                    yield Violation("proof", token, "sent again, and nothing was known of the time before")
                is_open = True
            elif line["is"] in ("absent", "held back", "refused"):
                is_open = False
    for token, arrivals in history.arrivals.items():
        proofs = [line["t"] for line in history.told[token] if line["is"] == "absent"]
        open_ended = [arrival for arrival in arrivals if arrival["r"] not in history.refused]
        for earlier, arrival in enumerate(open_ended):
            if sum(at <= arrival["at"] + history.tolerance for at in proofs) < earlier:
                yield Violation("proof", token, "it came again although the service had not refused it")


def _known(history: History) -> Iterator[Violation]:
    for token, jobs in history.stored.items():
        for job in jobs:
            if job["id"] not in history.named and token not in history.in_doubt:
                yield Violation(
                    "known", token, f"job {job['id']} was stored, and the client does not know it"
                )


def _once(history: History) -> Iterator[Violation]:
    for token, jobs in history.charged.items():
        if len(jobs) > 1:
            yield Violation("once", token, f"charged {len(jobs)} times")


def _told(history: History) -> Iterator[Violation]:
    if history.journal is None:
        return
    for token, jobs in history.stored.items():
        twins = {line["id"] for line in history.told[token] if line["is"] == "twin"}
        if len({job["id"] for job in jobs} - twins) > 1:
            yield Violation("told", token, f"stored {len(jobs)} times, of which {len(twins)} are on record")


def _own(history: History) -> Iterator[Violation]:
    owner = {job["id"]: token for token, jobs in history.stored.items() for job in jobs}
    for token, lines in history.told.items():
        if any(line["is"] == "disowned" for line in lines) or set(history.circuits[token]) <= set(
            history.errors
        ):
            continue
        for line in lines:
            if line["is"] in ("accepted", "found") and owner.get(line["id"]) != token:
                yield Violation("own", token, f"job {line['id']} is not of this circuit")


def _match(history: History) -> Iterator[Violation]:
    right: dict[int, set[int]] = defaultdict(set)
    for token, jobs in history.stored.items():
        if len({(job["check"], tuple(job["outcomes"])) for job in jobs}) > 1:
            yield Violation("match", token, "two different contents were sent under one token")
        for index, outcome in zip(history.circuits[token], jobs[0]["outcomes"], strict=True):
            right[index].add(outcome)
    for index, outcome in history.results.items():
        if outcome not in right[index]:
            yield Violation("match", str(index), f"it gave {outcome}, and its jobs {sorted(right[index])}")


def _ended(history: History) -> Iterator[Violation]:
    for index in range(history.total):
        if index not in history.results and index not in history.errors:
            yield Violation("ended", str(index), "neither a result nor a reason")


def _home(history: History) -> Iterator[Violation]:
    for record in history.server:
        if record["is"] == "elsewhere":
            yield Violation("home", record["path"], "a request went to another host")


RULES: dict[str, Rule] = {
    "intent": _intent,
    "proof": _proof,
    "known": _known,
    "once": _once,
    "told": _told,
    "own": _own,
    "match": _match,
    "ended": _ended,
    "home": _home,
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of some circuits."""

    circuits: int = 0
    lost: int = 0
    """Jobs that were stored and that the client cannot name, and circuits without an end."""
    duplicated: int = 0
    """Submissions that were charged more than once."""
    unresolved: int = 0
    """Submissions of which the client says that it does not know."""
    twins_cancelled: int = 0
    """Jobs that were stored beside another, and were cancelled before they cost anything."""
    other: int = 0
    """Broken promises of any other kind."""

    def __add__(self, more: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(more, name) for name in self.__slots__))


def tally(history: History) -> Tally:
    """Count what became of a run."""
    broken = Counter(violation.rule for violation in check(history))
    lost, duplicated = broken.pop("known", 0) + broken.pop("ended", 0), broken.pop("once", 0)
    saved = sum(
        len(jobs) - len(history.charged[token]) for token, jobs in history.stored.items() if len(jobs) > 1
    )
    return Tally(history.handed_over, lost, duplicated, len(history.in_doubt), saved, sum(broken.values()))


def read_journal(data: bytes) -> list[Record]:
    """Return the readable lines of a journal: each is the CRC-32 of the rest in hex, a blank, and JSON."""
    records = []
    for line in data.split(b"\n"):
        check_sum, _, text = line.partition(b" ")
        if check_sum == b"%08x" % zlib.crc32(text):
            records.append(json.loads(text))
    return records
