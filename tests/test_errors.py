# SPDX-License-Identifier: Apache-2.0
"""What we raise: one tree, facts as attributes, a next step in the words, fit to go to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import textwrap
import traceback

import pytest
from qiskit.exceptions import QiskitError
from qiskit.providers import JobError as QiskitJobError
from qiskit.providers import JobTimeoutError
from qiskit.transpiler import TranspilerError

from qiskit_parallel_ionq import errors
from qiskit_parallel_ionq.errors import (
    ApiError,
    AuthenticationError,
    BatchError,
    BudgetError,
    CircuitCancelledError,
    CircuitError,
    CircuitFailedError,
    CompileError,
    EncodeError,
    IonQError,
    JobError,
    JournalError,
    NotFoundError,
    NotSentError,
    OptionError,
    PermissionDeniedError,
    RateLimitError,
    ResultTimeoutError,
    RunBusyError,
    SubmissionUnknownError,
    TransportError,
    api_error,
)

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup, catch

EXAMPLES = [
    IonQError("base"),
    OptionError("shots must be an integer"),
    errors.UnknownOptionError("unknown option"),
    errors.CredentialsError("no key"),
    errors.TargetError("no such target"),
    errors.SessionError("not enabled"),
    errors.SessionEndedError("over"),
    errors.SessionUnknownError("lost", candidates=("a", "b")),
    CircuitError("circuit 3"),
    errors.CircuitFileError("bell.qasm:4: no such gate", file="bell.qasm", line=4),
    CompileError("no way"),
    EncodeError("no words"),
    *(
        api_error(status, method="POST", path="/jobs", detail="because", request_id="r-1")
        for status in (400, 401, 402, 403, 404, 429, 500)
    ),
    TransportError("reset", sent=True),
    SubmissionUnknownError("lost", token="1.run.0.0"),
    BudgetError("too dear"),
    errors.MissingExtraError("not installed"),
    JournalError("no room"),
    RunBusyError("somebody is at it"),
    NotSentError("not sent"),
    errors.DetachedError("left behind"),
    errors.ResultIntegrityError("sums to 3"),
    JobError("no result"),
    CircuitFailedError("failed", code="CompilationError", job_id="j1"),
    CircuitCancelledError("cancelled"),
    ResultTimeoutError("late"),
    errors.JobPickleError("stays here"),
    BatchError({1: CircuitFailedError("x", code="c")}, total=2, job_id="run", result={"any": 1}),
]


def test_the_examples_cover_the_whole_tree():
    classes = {
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, IonQError) and member.__module__ == errors.__name__
    }
    assert classes == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_every_error_is_ours_and_qiskits(error):
    assert isinstance(error, IonQError)
    assert isinstance(error, QiskitError)
    assert type(error).__name__ in errors.__doc__ or type(error) is ApiError


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_every_error_survives_pickling_with_its_facts(error):
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    for name, value in vars(error).items():
        assert str(getattr(twin, name)) == str(value), name


@pytest.mark.parametrize(
    ("ours", "also"),
    [
        (OptionError, ValueError),
        (CircuitError, ValueError),
        (CompileError, TranspilerError),
        (CompileError, CircuitError),
        (EncodeError, CircuitError),
        (AuthenticationError, ApiError),
        (JobError, QiskitJobError),
        (CircuitFailedError, QiskitJobError),
        (ResultTimeoutError, JobTimeoutError),
        (ResultTimeoutError, TimeoutError),
        (errors.JobPickleError, TypeError),
        (BatchError, QiskitJobError),
        (BatchError, ExceptionGroup),
    ],
)
def test_code_that_knows_only_python_or_qiskit_catches_ours(ours, also):
    assert issubclass(ours, also)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, ApiError, ""),
        (401, AuthenticationError, "IONQ_API_KEY"),
        (402, PermissionDeniedError, "project"),
        (403, PermissionDeniedError, "project"),
        (404, NotFoundError, ""),
        (409, ApiError, ""),
        (429, RateLimitError, "max_workers"),
        (500, ApiError, ""),
        (503, ApiError, ""),
    ],
)
def test_a_status_has_its_class_and_its_advice(status, kind, advice):
    error = api_error(status, method="GET", path="/jobs", detail="because", request_id="r-7")
    assert type(error) is kind
    assert (error.status, error.method, error.path, error.detail) == (status, "GET", "/jobs", "because")
    for part in (f"GET /jobs was answered {status}", "because", "r-7", advice):
        assert part in str(error)


def test_an_answer_without_a_reason_says_so():
    assert "no reason given" in str(api_error(500, method="GET", path="/jobs"))


def test_retry_after_survives_pickling():
    error = api_error(429, method="POST", path="/jobs")
    error.retry_after = "7"
    assert pickle.loads(pickle.dumps(error)).retry_after == "7"


def test_line_breaks_show_as_line_breaks():
    assert str(IonQError("one\ntwo")) == "one\ntwo"


def test_a_batch_error_says_each_reason_once_and_how_often():
    same = {k: CircuitFailedError("out of memory") for k in (7, 3, 5)}
    text = str(BatchError({**same, 9: OptionError("odd one")}, total=12, job_id="run-1"))
    assert "4 of 12 circuits of job run-1 have no result" in text
    assert "3 circuits, first 3: out of memory" in text
    assert "circuit 9: odd one" in text
    assert text.count("out of memory") == 1
    assert "partial=True" in text


def test_ten_thousand_failures_make_a_short_message():
    text = str(BatchError({k: JobError(f"reason {k}") for k in range(10_000)}, total=10_000, job_id="r"))
    assert len(text) < 2_000
    assert "9995 more reasons in .failures" in text


def test_failures_are_in_ascending_order_and_the_callers_dict_stays_his():
    failures = {5: JobError("a"), 1: JobError("b")}
    error = BatchError(failures, total=6, job_id="r", result="kept")
    assert list(error.failures) == [1, 5]
    assert list(failures) == [5, 1]
    assert error.failures is not failures
    assert error.result == "kept"


# ── a batch error is a group too ──

LOST = TransportError("lost", sent=True)


def _mixed():
    """Five failures for three reasons: three circuits share one error object."""
    return BatchError(
        {0: LOST, 2: CircuitFailedError("too deep"), 3: LOST, 5: JobError("odd"), 8: LOST},
        total=9,
        job_id="run-1",
        result="kept",
    )


def _shown(error):
    try:
        raise error
    except BatchError as caught:
        return "".join(traceback.format_exception(type(caught), caught, caught.__traceback__))


def test_a_batch_error_is_a_group_of_its_reasons():
    error = _mixed()
    assert error.exceptions == tuple(error.failures.values())
    assert len(error.exceptions) == 5
    assert error.message == str(error)
    assert error.run_id == error.job_id == "run-1"


def test_splitting_keeps_indices_result_and_class():
    error = _mixed()
    lost, rest = error.split(TransportError)
    assert (type(lost), type(rest)) == (BatchError, BatchError)
    assert list(lost.failures) == [0, 3, 8]
    assert list(rest.failures) == [2, 5]
    assert all(reason is LOST for reason in lost.exceptions)
    for part in (lost, rest):
        assert (part.result, part.run_id, part.total) == ("kept", "run-1", 9)
        assert str(part) == str(error)
    assert list(error.failures) == [0, 2, 3, 5, 8]


def test_a_subgroup_may_be_chosen_by_a_function_and_may_be_empty():
    assert list(_mixed().subgroup(lambda e: str(e) == "odd").failures) == [5]
    assert _mixed().subgroup(KeyError) is None
    assert _mixed().split(TransportError)[1].subgroup(TransportError) is None


def test_a_split_of_a_split_and_its_pickle_are_as_good():
    lost = pickle.loads(pickle.dumps(_mixed().split(TransportError)[0]))
    assert list(lost.failures) == [0, 3, 8]
    assert str(lost) == str(_mixed())
    assert lost.exceptions[0] is lost.exceptions[2]  # one error it was, and one it is


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_are_whole(twin):
    error, other = _mixed(), twin(_mixed())
    assert type(other) is BatchError
    assert other is not error
    assert list(other.failures) == list(error.failures)
    assert [str(e) for e in other.exceptions] == [str(e) for e in error.exceptions]
    assert (str(other), other.result, other.total) == (str(error), "kept", 9)


def test_a_group_derived_with_somebody_elses_errors_is_an_ordinary_one():
    group = _mixed().derive([LOST, KeyError("whose?")])
    assert not isinstance(group, BatchError)
    assert isinstance(group, ExceptionGroup)
    assert len(group.exceptions) == 2


def test_a_reason_that_is_a_group_itself_can_be_split():
    nested = ExceptionGroup("both", [KeyError("k"), ValueError("v")])
    part = BatchError({4: nested, 6: KeyError("l")}, total=7, job_id="r").subgroup(KeyError)
    assert [type(e).__name__ for e in part.exceptions] == ["ExceptionGroup", "KeyError"]


def test_except_star_takes_the_circuits_it_names():
    taken = []
    if sys.version_info < (3, 11):
        with pytest.raises(BatchError) as left, catch({TransportError: taken.append}):
            raise _mixed()
    else:
        statement = """
        try:
            raise error
        except* TransportError as group:
            taken.append(group)
        """
        with pytest.raises(BatchError) as left:
            exec(  # Python 3.10 could not read this file otherwise
                textwrap.dedent(statement),
                {"error": _mixed(), "taken": taken, "TransportError": TransportError},
            )
    assert list(taken[0].failures) == [0, 3, 8]
    assert list(left.value.failures) == [2, 5]


def test_the_traceback_of_ten_thousand_failures_is_short():
    error = BatchError({k: JobError(f"reason {k}") for k in range(10_000)}, total=10_000, job_id="r")
    assert len(_shown(error)) < 2_500
    assert "9985 more" in _shown(error)
    assert len(repr(error)) < 100


def test_one_error_ten_thousand_times_is_shown_as_one_reason():
    error = BatchError(dict.fromkeys(range(10_000), LOST), total=10_000, job_id="r")
    assert "10000 circuits, first 0: lost" in _shown(error)
    assert len(_shown(error)) < 2_500
    assert len(error.subgroup(TransportError).failures) == 10_000
    assert len(pickle.dumps(error)) < 200_000
