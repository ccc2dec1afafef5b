# SPDX-License-Identifier: Apache-2.0
"""Real processes, real files, a real port: ended in every way a process ends, and gone on with."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus

from qiskit_parallel_ionq import ParallelIonQBackend, ParallelIonQProvider, chronicle
from qiskit_parallel_ionq.archive import Archive
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.errors import (
    BatchError,
    CredentialsError,
    DetachedError,
    IonQError,
    JobError,
    JournalError,
    NotSentError,
    ResultTimeoutError,
    RunBusyError,
)
from qiskit_parallel_ionq.journal import Disk
from qiskit_parallel_ionq.reconcile import Doubt

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and modes")
as_user = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


def flips(number, width=4):
    """A circuit whose only outcome is ``number``."""
    circuit = QuantumCircuit(width, width, name=f"flips-{number}", metadata={"number": number})
    for qubit in range(width):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit


def bells(count):
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0), circuit.cx(0, 1), circuit.measure([0, 1], [1, 0])
    return [circuit] * count


def answers(result):
    return [int(next(iter(entry.data.counts)), 16) if entry.success else None for entry in result.results]


def stored_twice(service):
    tokens = Counter(
        job.order.metadata.get("qpi") for job in service._jobs.newest_first() if job.parent is None
    )
    return {token: n for token, n in tokens.items() if n > 1}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A service on this machine settles at once."""
    monkeypatch.setattr(Doubt, "APART", 0.1)
    monkeypatch.setattr(Doubt, "about", lambda token, lost_at, target: Doubt(token, lost_at, settle=0.3))


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def service():
    with LocalIonQ(seed=7) as local:
        yield local


@pytest.fixture
def connect(state):
    """Return a function: a service -> a provider that records in `state`."""
    providers = []

    def make(service, folder=state, token=None):
        providers.append(ParallelIonQProvider(token or service.api_key, service.url, state_dir=folder))
        return providers[-1]

    yield make
    for provider in providers:
        provider.close()


# ── another process ──

PROGRAM = """
import os, signal, sys, threading, time, json, warnings
warnings.simplefilter("ignore")
from qiskit import QuantumCircuit
from qiskit_parallel_ionq import ParallelIonQProvider
def flips(number, width=4):
    circuit = QuantumCircuit(width, width, name=f"flips-{number}", metadata={"number": number})
    for qubit in range(width):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit
provider = ParallelIonQProvider(os.environ["KEY"], os.environ["URL"], state_dir=os.environ["STATE"])
backend = provider.get_backend()
"""
RUN = """
job = backend.run([flips(n) for n in range(16)], shots=20, max_workers=3)
print(job.job_id(), flush=True)
"""
SAY_WHEN_IT_WAITS = """
def names_of(frame):
    return [] if frame is None else [frame.f_code.co_name, *names_of(frame.f_back)]
def say_when_it_waits(main=threading.get_ident()):
    while names_of(sys._current_frames()[main])[0] != "wait" or "wait_for" not in names_of(sys._current_frames()[main]):
        time.sleep(0.01)
    print("waiting", flush=True)
threading.Thread(target=say_when_it_waits).start()
"""


@pytest.fixture
def start(state):
    """Return a function: a service and more of a program -> the process that runs it."""
    begun = []

    def make(service, program):
        environment = {**os.environ, "KEY": service.api_key, "URL": service.url, "STATE": str(state)}
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM + program],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return begun[-1]

    yield make
    for process in begun:
        process.kill()
        process.communicate()


def run_id_of(process):
    return process.stdout.readline().strip()


def assert_can_be_finished(provider, service, run_id, total=16):
    job = provider.resume(run_id, submit=True)
    result = job.result(timeout=30)
    assert answers(result) == list(range(total))
    assert stored_twice(service) == {}
    assert service.stats().jobs == total
    return result


@posix
@pytest.mark.parametrize("after_jobs", [0, 1, 4, 9, 16])
def test_a_process_that_is_killed_is_gone_on_with(connect, start, after_jobs):
    with LocalIonQ(seed=7, round_trip=0.03, execution_time=0.4) as service:
        process = start(service, RUN + "job.result()")
        run_id = run_id_of(process)
        while service.stats().jobs < after_jobs:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_can_be_finished(connect(service), service, run_id)


@posix
def test_a_process_that_is_terminated_is_gone_on_with(connect, start):
    with LocalIonQ(seed=7, round_trip=0.03, execution_time=0.4) as service:
        process = start(service, RUN + "job.result()")
        run_id = run_id_of(process)
        process.terminate()
        process.wait(30)
        assert_can_be_finished(connect(service), service, run_id)


def test_a_program_that_ends_without_closing_anything_waits_for_its_answers_and_loses_nothing(connect, start):
    with LocalIonQ(seed=7, round_trip=0.1, execution_time=0.4) as service:
        process = start(service, RUN)
        run_id = run_id_of(process)
        _, complaints = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in complaints
        story = Archive(connect(service)._archive.folder).read(run_id)
        assert {sent.phase.value for sent in story.submissions} <= {"waiting", "queued", "done", "fetching"}
        assert_can_be_finished(connect(service), service, run_id)


def test_a_job_that_nobody_has_kept_is_still_found_and_gone_on_with(connect):
    with LocalIonQ(seed=7, execution_time=0.3) as service, connect(service) as provider:
        run_id = provider.get_backend().run([flips(n) for n in range(5)], shots=20).job_id()
        gc.collect()
        assert answers(provider.retrieve_job(run_id).result(timeout=20)) == list(range(5))
        run_id = provider.get_backend().run([flips(n) for n in range(5)], shots=20).job_id()
        gc.collect()
        assert answers(provider.resume(run_id, submit=True).result(timeout=20)) == list(range(5))
        assert stored_twice(service) == {}


@posix
def test_the_first_interrupt_sends_nothing_more_and_says_how_to_go_on(connect, start):
    late = Fault("stall", method="POST", path="/jobs", nth=(4, 5, 6), seconds=2.0)  # under way at Ctrl-C
    with LocalIonQ(seed=7, execution_time=60.0, faults=[late]) as service:
        process = start(service, RUN + SAY_WHEN_IT_WAITS + "job.result()")
        run_id = run_id_of(process)
        assert process.stdout.readline() == "waiting\n"
        while service.stats().jobs < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
        jobs = service.stats().jobs
        assert "KeyboardInterrupt" in complaints
        assert f"provider.resume({run_id!r}" in complaints
        told = next(line for line in complaints.splitlines() if line.startswith(f"run {run_id}"))
        numbers = [int(word) for word in told.replace(",", "").split() if word.isdecimal()]
        assert sum(numbers[:3]) == 16
        assert 3 <= jobs <= 6
        assert numbers[0] <= jobs <= numbers[0] + numbers[1]
        assert service.stats().by_route.get("PUT /jobs/status/cancel", 0) == 0
        with connect(service) as provider:
            job = provider.resume(run_id)
            with pytest.raises(ResultTimeoutError):
                job.result(timeout=0.5)  # what was accepted is still collected
            assert sum(isinstance(error, NotSentError) for error in job.errors().values()) == 16 - jobs


@posix
def test_the_second_interrupt_leaves_at_once(start):
    stall = Fault("stall", method="POST", path="/jobs", seconds=60.0)
    with LocalIonQ(seed=7, faults=[stall]) as service:
        process = start(service, RUN + "job.result()")
        run_id_of(process)
        while service.stats().open_connections < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        while "KeyboardInterrupt" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.3)
        assert process.poll() is None  # it waits for answers
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert time.monotonic() - begun < 8.0  # after one interrupt it waits 10 s for answers


@posix
def test_who_comes_second_is_told_that_the_run_is_busy_and_may_read_along(connect, start):
    with LocalIonQ(seed=7, execution_time=0.2) as service:
        process = start(service, RUN + "job.result(); print('done', flush=True); sys.stdin.read()")
        run_id = run_id_of(process)
        provider = connect(service)
        with pytest.raises(RunBusyError, match=run_id):
            provider.resume(run_id, submit=True)
        assert run_id_of(process) == "done"
        assert answers(provider.retrieve_job(run_id).result(timeout=10)) == list(range(16))
        assert service.stats().jobs == 16


@posix
def test_a_forked_child_leaves_the_run_to_its_parent(start):
    program = (
        RUN
        + """
child = os.fork()
if child == 0:
    said = []
    for attempt in (lambda: job.result(), lambda: backend.run([flips(1)]), lambda: provider.resume(job.job_id()),
                    lambda: job.cancel(), lambda: provider.retrieve_job(job.job_id()[::-1])):
        try:
            attempt()
            said.append("nothing")
        except Exception as error:
            said.append(type(error).__name__ + str("forked" in str(error)))
    print(json.dumps(said), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(json.dumps(sorted(job.result(timeout=20).get_counts(5))), flush=True)
"""
    )
    with LocalIonQ(seed=7, round_trip=0.02, execution_time=0.3) as service:
        process = start(service, program)
        output, complaints = process.communicate(timeout=40)
        _, said, result = output.splitlines()
        assert json.loads(said) == ["IonQErrorTrue"] * 5, complaints
        assert json.loads(result) == ["0101"]
        assert service.stats().jobs == 16


@posix
def test_a_child_that_is_forked_from_a_local_service_ends(start, service):
    program = """
local = ParallelIonQProvider.local(seed=1)
local.get_backend().run([flips(1)]).result()
child = os.fork()
if child == 0:
    sys.exit(0)
print(os.waitpid(child, 0)[1], local.get_backend().run([flips(2)]).result().success, flush=True)
"""
    output, complaints = start(service, program).communicate(timeout=30)
    assert output.split() == ["0", "True"], complaints


# ── in this process ──


def test_a_finished_run_can_be_read_when_the_service_is_gone(connect, state):
    with LocalIonQ(seed=7) as service:
        with connect(service) as provider:
            job = provider.get_backend().run([flips(n) for n in range(5)], shots=20, memory=True)
            before = job.result(timeout=20)
        later = connect(service)
    again = later.retrieve_job(job.job_id()).result(timeout=30)
    assert again.get_counts() == before.get_counts()
    assert [again.get_memory(k) for k in range(5)] == [before.get_memory(k) for k in range(5)]
    assert [entry.header for entry in again.results] == [entry.header for entry in before.results]
    (run,) = later.jobs()
    assert (run.job_id, run.total, run.done, run.failed, run.is_over) == (job.job_id(), 5, 5, 0, True)


def test_a_run_is_resumed_in_the_same_process_and_the_old_job_says_so(connect):
    with LocalIonQ(seed=7, execution_time=0.4, round_trip=0.02) as service:
        provider = connect(service)
        job = provider.get_backend().run([flips(n) for n in range(12)], shots=10, max_workers=2)
        job.leave()
        again = provider.resume(job.job_id(), submit=True)
        assert answers(again.result(timeout=20)) == list(range(12))
        with pytest.raises(BatchError):
            job.result(timeout=30)
        assert service.stats().jobs == 12
        assert provider.job(job.job_id()) is again


def test_a_live_run_that_is_not_recorded_is_not_given_up_by_asking_for_it(monkeypatch):
    with ParallelIonQProvider.local(seed=7, execution_time=0.3) as provider:
        job = provider.get_backend().run([flips(3)], shots=10)
        with pytest.raises(JournalError, match="not recorded"):
            provider.resume(job.job_id(), submit=True)
        assert provider.resume(job.job_id()) is job
        assert answers(job.result(timeout=10)) == [3]


OPTIONS = {
    "plain": {},
    "memory": {"memory": True},
    "pack": {"circuits_per_job": 3},
    "noisy pack with memory": {"circuits_per_job": 3, "memory": True, "noise_model": "forte-1"},
    "noisy": {"noise_model": "aria-1", "sampler_seed": 5},
    "shots": {"shots": (10, 20, 30, 40, 50, 60)},
    "machine": {"target": "qpu.forte-1", "memory": True},
    "dry": {"dry_run": True},
}


@pytest.mark.parametrize("how", ["record", "account"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_every_kind_of_run_comes_back_with_the_same_counts(connect, service, state, kind, how):
    options = {"shots": 50, **OPTIONS[kind]}
    target = options.pop("target", None)
    with connect(service) as provider:
        job = provider.get_backend(target=target).run(bells(6), **options)
        before = job.result(timeout=20)
    if how == "account":
        shutil.rmtree(state)
    again = connect(service).retrieve_job(job.job_id()).result(timeout=20)
    assert [e.data.to_dict() for e in again.results] == [e.data.to_dict() for e in before.results]
    assert [e.shots for e in again.results] == [e.shots for e in before.results]
    assert service.stats().by_route["POST /jobs"] == len({*job.job_ids()})


@pytest.mark.parametrize("how", ["record", "account"])
def test_a_circuit_with_measurements_on_the_way_comes_back(connect, service, state, how):
    circuit = QuantumCircuit(2, 3)
    (
        circuit.x(0),
        circuit.measure(0, 0),
        circuit.reset(0),
        circuit.measure(0, 1),
        circuit.x(1),
        circuit.measure(1, 2),
    )
    with connect(service) as provider:
        job = provider.get_backend().run([circuit, flips(5)], shots=20)
        before = job.result(timeout=20)
    if how == "account":
        shutil.rmtree(state)
    again = connect(service).retrieve_job(job.job_id()).result(timeout=20)
    assert again.get_counts() == before.get_counts()


def test_a_run_of_which_only_a_part_was_stored_shows_its_holes(connect, state):
    with LocalIonQ(
        seed=7, faults=[Fault("status", status=422, method="POST", path="/jobs", nth=(2, 5))]
    ) as service:
        with connect(service) as provider:
            job = provider.get_backend().run([flips(n) for n in range(6)], shots=10, max_workers=1)
            job.wait(20)
        shutil.rmtree(state)
        again = connect(service).retrieve_job(job.job_id())
        assert answers(again.result(timeout=10, partial=True)) == [0, None, 2, 3, None, 5]
        for index in (1, 4):
            assert type(again.errors()[index]) is JobError
            assert "shows no job" in str(again.errors()[index])


def test_one_ionq_job_is_retrieved_by_its_own_id(connect, service):
    with connect(service) as provider:
        job = provider.get_backend().run([flips(n) for n in range(4)], shots=10, circuits_per_job=2)
        job.result(timeout=20)
        again = provider.retrieve_job(job.job_ids()[2])
        assert answers(again.result(timeout=10)) == [2, 3]
        with pytest.raises(JobError):
            provider.retrieve_job("00000000-0000-0000-0000-000000000000")
        with pytest.raises(JobError, match="neither"):
            provider.retrieve_job("../backends")
        with pytest.raises(JobError, match="another key"):
            provider.retrieve_job("a" * 22)


@pytest.mark.filterwarnings("default")
def test_stock_qiskit_ionq_and_we_read_each_other_s_jobs(connect, service, monkeypatch):
    import qiskit_ionq

    monkeypatch.setenv("IONQ_API_URL", service.url)
    stock = qiskit_ionq.IonQProvider(service.api_key, service.url)
    theirs = stock.get_backend("ionq_simulator").run(bells(1)[0], shots=200)
    theirs.wait_for_final_state(timeout=20)
    with connect(service) as provider:
        read = provider.retrieve_job(theirs.job_id())
        assert read.get_probabilities() == pytest.approx({"00": 0.5, "11": 0.5})
        assert sum(read.get_counts().values()) == 200
        ours = provider.get_backend(gateset="qis").run([flips(6)], shots=200)
        ours.result(timeout=20)
        back = stock.get_backend("ionq_simulator").retrieve_job(ours.job_ids()[0])
        assert back.result().get_counts() == {"0110": 200}


def test_a_run_of_another_project_is_refused_and_untouched(connect, state, service):
    with connect(service) as provider:
        job = provider.get_backend().run([flips(1), flips(2)], shots=10)
        job.result(timeout=20)
    path = Archive(state).path(job.job_id())
    lines = path.read_bytes().splitlines(keepends=True)
    records = [chronicle.read_line(line[:-1]) for line in lines]
    assert sum(record["is"] == "project" for record in records) == 1
    path.write_bytes(
        b"".join(chronicle.line({**r, "id": "another"} if r["is"] == "project" else r) for r in records)
    )
    provider = connect(service)
    for _ in range(2):
        with pytest.raises(CredentialsError, match="another"):
            provider.resume(job.job_id(), submit=True)
    assert service.stats().jobs == 2


def test_a_run_of_another_service_is_refused_and_not_listed(connect, service):
    with connect(service) as provider:
        job = provider.get_backend().run([flips(1)], shots=10)
        job.result(timeout=20)
    with LocalIonQ(seed=8) as other:
        provider = connect(other)
        assert provider.jobs() == []
        with pytest.raises(JobError, match=service.url):
            provider.resume(job.job_id())
        with pytest.raises(JobError, match=service.url):
            provider.retrieve_job(job.job_id())


def test_a_copy_of_the_state_folder_is_as_good(connect, service, state, tmp_path):
    with connect(service) as provider:
        job = provider.get_backend().run([flips(n) for n in range(3)], shots=10)
        job.result(timeout=20)
    shutil.copytree(state, tmp_path / "copy")
    shutil.rmtree(state)
    again = connect(service, folder=tmp_path / "copy").resume(job.job_id(), submit=True)
    assert answers(again.result(timeout=10)) == [0, 1, 2]
    assert service.stats().jobs == 3


# ── damage ──


def interrupted(connect, service, total=8, **options):
    """A run of which a part was sent, let go of; its id and how much was sent."""
    with connect(service) as provider:
        job = provider.get_backend().run([flips(n) for n in range(total)], shots=10, max_workers=1, **options)
        while service.stats().jobs < 3:
            time.sleep(0.002)
        job.leave()
        job.wait(20)
    return job.job_id(), service.stats().jobs


def test_a_torn_last_line_is_nothing(connect, state):
    with LocalIonQ(seed=7, round_trip=0.05) as service:
        run_id, _ = interrupted(connect, service)
        with Archive(state).path(run_id).open("ab") as file:
            file.write(b'1234abcd {"is":"accep')
        assert_can_be_finished(connect(service), service, run_id, total=8)


@pytest.mark.parametrize("where", ["header", "middle", "last"])
def test_after_a_flipped_byte_nothing_is_sent_and_the_service_is_asked(connect, state, where, caplog):
    with LocalIonQ(seed=7, round_trip=0.05) as service:
        run_id, sent = interrupted(connect, service)
        path = Archive(state).path(run_id)
        data = bytearray(path.read_bytes())
        data[{"header": 20, "middle": len(data) // 2, "last": len(data) - 5}[where]] ^= 4
        path.write_bytes(bytes(data))
        provider = connect(service)
        for _ in range(2):
            with pytest.raises(JournalError):
                provider.resume(run_id, submit=True)
        assert service.stats().jobs == sent
        for verb in (provider.retrieve_job, provider.resume):
            job = verb(run_id)
            assert answers(job.result(timeout=10, partial=True)) == [*range(sent), *[None] * (8 - sent)]
            del job
        assert path.read_bytes() == bytes(data)


def test_requests_that_were_not_kept_cannot_be_sent_by_who_goes_on(connect, state):
    with LocalIonQ(seed=7, round_trip=0.05) as service:
        run_id, sent = interrupted(connect, service, keep_circuits=False)
        assert not list(state.glob("*.circuits"))
        job = connect(service).resume(run_id, submit=True)
        assert answers(job.result(timeout=10, partial=True)) == [*range(sent), *[None] * (8 - sent)]
        assert all(isinstance(error, NotSentError) for error in job.errors().values())


def test_results_that_were_lost_are_fetched_again(connect, service, state):
    with connect(service) as provider:
        job = provider.get_backend().run(bells(4), shots=30)
        before = job.get_counts()
    for path in state.glob("*.results"):
        path.unlink()
    for _ in range(2):
        with connect(service) as provider:
            assert provider.resume(job.job_id()).get_counts() == before
    assert service.stats().jobs == 4


# ── bad disks ──


@pytest.fixture
def blocked(tmp_path):
    """A folder that cannot be made, whoever one is."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "state"


def test_where_nothing_can_be_recorded_nothing_is_sent_to_a_machine(connect, service, blocked):
    provider = connect(service, folder=blocked)
    with pytest.raises(JournalError, match=r"Nothing was sent"):
        provider.get_backend(target="qpu.forte-1").run([flips(1)], shots=10)
    assert service.stats().posts == 0


def test_where_nothing_can_be_recorded_the_simulator_runs_with_a_warning(connect, service, blocked, caplog):
    provider = connect(service, folder=blocked)
    assert answers(provider.get_backend().run([flips(1)], shots=10).result(timeout=10)) == [1]
    assert "cannot be resumed" in caplog.text


class Failing(Disk):
    """Fails at lines that hold a text, or at flushes from one on."""

    def __init__(self, at=None, number=errno.ENOSPC, times=10**9, first_sync=10**9):
        self.at, self.number, self.times, self.syncs, self.first_sync = at, number, times, 0, first_sync

    def write(self, handle, data):
        if self.at is not None and self.at in data[:60] and self.times > 0:
            self.times -= 1
            raise OSError(self.number, os.strerror(self.number))
        super().write(handle, data)

    def sync(self, handle):
        self.syncs += 1
        if self.syncs >= self.first_sync:
            raise OSError(self.number, os.strerror(self.number))
        super().sync(handle)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("disk", ["intent", "sync", "parcel", "request"])
def test_what_cannot_be_recorded_is_not_sent_and_can_be_sent_later(connect, service, state, disk, number):
    failing = {
        "intent": Failing(b'"is":"sent"', number),
        "sync": Failing(number=number, first_sync=2),
        "parcel": Failing(b'"is":"parcel"', number),
        "request": Failing(b'{"type":', number),
    }[disk]
    with connect(service) as provider:  # listings are believed once they have shown a job of this package
        provider.get_backend().run(flips(0), shots=10).wait()
    before = service.stats().posts
    with connect(service) as provider:
        provider._archive._disk = failing
        job = provider.get_backend().run([flips(n) for n in range(4)], shots=10)
        with pytest.raises(BatchError, match="cannot be written"):
            job.result(timeout=10)
    assert service.stats().posts == before
    again = connect(service).resume(job.job_id(), submit=True)
    found = answers(again.result(timeout=10, partial=True))
    recorded = len(Archive(state).read(job.job_id()).parcels)
    assert found == [*range(recorded), *[None] * (4 - recorded)]
    assert (recorded > 0) == (disk in ("intent", "sync"))
    assert all(isinstance(error, NotSentError) for error in again.errors().values())


def test_an_accepted_job_is_worth_the_reserve(connect, state):
    with LocalIonQ(seed=7, round_trip=0.2) as service:
        with connect(service) as provider:
            provider._archive._disk = Failing(b'"is":"accepted"', times=1)
            job = provider.get_backend().run([flips(n) for n in range(8)], shots=10, max_workers=1)
            assert answers(job.result(timeout=10, partial=True)) == [0, *[None] * 7]
        assert service.stats().jobs == 1
        assert not (state / "reserve").exists()
        assert_can_be_finished(connect(service), service, job.job_id(), total=8)


def test_an_accepted_job_that_cannot_be_recorded_is_told_and_found_again_by_its_token(connect, capsys):
    with LocalIonQ(seed=7, round_trip=0.2) as service:
        with connect(service) as provider:
            provider._archive._disk = Failing(b'"is":"accepted"')
            job = provider.get_backend().run([flips(n) for n in range(4)], shots=10, max_workers=1)
            assert answers(job.result(timeout=10, partial=True)) == [0, None, None, None]
            assert (
                f"circuit 0 of run {job.job_id()} is IonQ job {job.job_ids()[0]}" in capsys.readouterr().err
            )
        assert_can_be_finished(connect(service), service, job.job_id(), total=4)


def test_without_a_thread_nothing_is_sent_and_nothing_is_left_locked(connect, service, state, monkeypatch):
    provider = connect(service)
    provider.catalogue()
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("ionq-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(IonQError, match="nothing was sent"):
        provider.get_backend().run([flips(1)], shots=10)
    assert service.stats().posts == 0
    assert not state.exists()
    monkeypatch.undo()
    assert answers(provider.get_backend().run([flips(1)], shots=10).result(timeout=10)) == [1]


# ── what is on disk ──


@posix
def test_files_are_the_user_s_alone(connect, service, state):
    umask = os.umask(0)
    try:
        with connect(service) as provider:
            provider.get_backend().run([flips(1)], shots=10).result(timeout=10)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}
    assert not list(state.glob("*.circuits"))  # the run is over


def test_no_file_holds_a_secret(state):
    canary = "test-c4n4ry-k3y"
    with LocalIonQ(
        seed=7, faults=[Fault("status", status=422, method="POST", path="/jobs", nth=2)]
    ) as service:
        provider = ParallelIonQProvider(
            canary, service.url, state_dir=state, custom_headers={"X-Secret": "c4n4ry-header"}
        )
        with provider:
            job = provider.get_backend().run([flips(n) for n in range(3)], shots=10, max_workers=1)
            job.leave()
            job.wait(10)
            files = {path: path.read_bytes() for path in state.iterdir()}
    assert any(path.suffix == ".circuits" for path in files)
    files |= {path: path.read_bytes() for path in state.iterdir()}
    assert b"c4n4ry" not in b"".join(files.values())


@as_user
@posix
def test_a_folder_without_permission_stops_a_machine(connect, service, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(JournalError):
        connect(service, folder=locked).get_backend(target="qpu.forte-1").run([flips(1)], shots=10)
    assert service.stats().posts == 0


def test_a_home_folder_may_be_written_with_its_tilde(service, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    provider = ParallelIonQProvider(service.api_key, service.url, state_dir="~/runs")
    assert provider._archive.folder == Path(tmp_path) / "runs"
    provider.close()


@pytest.mark.parametrize(
    "odd",
    [
        {"shots": 5},
        {"total": "three"},
        {"created_at": float("inf")},
        {"total": None},
        {"seed": []},
        {"id": "x" * 22},
    ],
    ids=str,
)
def test_one_odd_record_does_not_hide_the_others(connect, state, caplog, odd):
    with LocalIonQ(seed=7) as service, connect(service) as provider:
        jobs = [provider.get_backend().run([flips(n)], shots=20) for n in range(3)]
        for job in jobs:
            job.result(timeout=20)
    path = state / f"{jobs[1].job_id()}.journal"
    first, *lines = path.read_bytes().splitlines(keepends=True)
    header = {**json.loads(first[9:]), **odd}
    text = json.dumps(header).encode()
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text) + b"".join(lines))
    later = connect(service)
    assert {run.job_id for run in later.jobs()} == {jobs[0].job_id(), jobs[2].job_id()}
    assert f"The record of run {jobs[1].job_id()} cannot be read" in caplog.text


# ── twice in one process ──


@pytest.fixture
def stopped(connect):
    """A service, and a run of twelve circuits of which some were not sent by a provider that is closed."""
    with LocalIonQ(seed=7, execution_time=0.5, round_trip=0.01) as service:
        provider = connect(service)
        job = provider.get_backend().run([flips(n) for n in range(12)], shots=10, max_workers=2)
        assert job.batch.wait_for(lambda: job.job_ids()[0] is not None, 20)
        provider.close()
        yield service, job.job_id()


@pytest.mark.parametrize("submit", [True, False])
@pytest.mark.parametrize("is_held", [True, False])
def test_a_run_that_is_resumed_twice_is_one_run(connect, few_at_once, stopped, submit, is_held):
    service, run_id = stopped
    provider = connect(service)
    first = provider.resume(run_id, submit=submit)
    if not is_held:
        del first
        gc.collect()
    second = provider.resume(run_id, submit=submit)
    if is_held:
        assert second is first
    result = second.result(timeout=30, partial=True)
    wanted = list(range(12)) if submit else [*range(12)][: sum(entry.success for entry in result.results)]
    assert [answer for answer in answers(result) if answer is not None] == wanted
    assert service.stats().jobs == len(wanted)


def test_a_run_that_is_resumed_to_collect_can_then_be_resumed_to_send(connect, few_at_once, stopped):
    service, run_id = stopped
    provider = connect(service)
    first = provider.resume(run_id)
    second = provider.resume(run_id, submit=True)
    assert second is not first
    assert answers(second.result(timeout=30)) == list(range(12))
    assert service.stats().jobs == 12
    third = provider.resume(run_id, submit=True)  # which is over
    assert answers(third.result(timeout=30)) == list(range(12))


def test_a_run_that_is_under_way_is_returned_as_it_is(connect):
    with LocalIonQ(seed=7, execution_time=0.3) as service, connect(service) as provider:
        job = provider.get_backend().run([flips(n) for n in range(12)], shots=10, max_workers=2)
        assert provider.resume(job.job_id()) is job
        assert provider.resume(job.job_id(), submit=True) is job
        assert answers(job.result(timeout=30)) == list(range(12))


# ── what is left behind is no error ──


@pytest.fixture
def left_behind(connect):
    """Twelve circuits of 30 s, two at a time: some accepted, the others not, when their provider is closed."""
    with LocalIonQ(seed=7, execution_time=30, round_trip=0.01) as service:
        provider = connect(service)
        job = provider.get_backend().run([flips(n) for n in range(12)], shots=10, max_workers=2)
        assert job.batch.wait_for(lambda: None not in job.job_ids()[:2], 20)
        provider.close()
        yield service, job


@pytest.fixture
def few_at_once(monkeypatch):
    """No more than two circuits of a run are under way."""
    monkeypatch.setattr(ParallelIonQBackend, "_new_run", _with_window(ParallelIonQBackend._new_run))


def _with_window(new_run):
    return lambda self, total, options: replace(new_run(self, total, options), window=2)


def test_a_job_whose_provider_was_closed_is_neither_final_nor_an_error(few_at_once, left_behind):
    _, job = left_behind
    assert job.status() in (JobStatus.QUEUED, JobStatus.RUNNING)
    assert not job.in_final_state()
    assert not job.done()
    at = job.progress()
    assert (at.queued + at.running, at.not_sent, at.failed) == (2, 10, 0)
    for index, error in job.errors().items():
        assert isinstance(error, DetachedError if index < 2 else NotSentError)
        assert f"provider.resume({job.job_id()!r}" in str(error)
        assert ("submit=True" in str(error)) is (index >= 2)
    assert job.job_ids()[0] in str(job.errors()[0])


def test_nobody_waits_for_a_job_whose_provider_was_closed(few_at_once, left_behind):
    _, job = left_behind
    assert job.wait(5) is True
    with pytest.raises(DetachedError):
        job.wait_for_final_state(timeout=5)
    with pytest.raises(BatchError) as caught:
        job.result(timeout=5)
    assert caught.value.split(DetachedError)[0].failures.keys() == {0, 1}
    assert len(job.result(partial=True).results) == 12


def test_what_was_left_behind_is_collected_by_another_provider(connect, few_at_once, left_behind):
    service, job = left_behind
    later = connect(service)
    again = later.retrieve_job(job.job_id())
    assert again.batch.wait_for(lambda: again.progress().not_sent == 10, 20)
    assert {again.report()[n].status for n in range(2, 12)} == {"not sent"}
    assert again.status() in (JobStatus.INITIALIZING, JobStatus.QUEUED, JobStatus.RUNNING)
    again.cancel()
    again.wait(20)
    assert again.status() is JobStatus.CANCELLED
    assert again.progress().not_sent == 10


def test_circuits_that_are_left_out_are_not_sent_and_no_error(connect):
    with LocalIonQ(seed=7, execution_time=0.3, round_trip=0.02) as service:
        provider = connect(service)
        job = provider.get_backend().run([flips(n) for n in range(40)], shots=10, max_workers=2)
        job.leave()
        job.wait(30)
        at = job.progress()
        assert at.failed == 0
        assert at.done + at.not_sent == 40
        assert at.not_sent > 0
        assert job.status() is JobStatus.CANCELLED
