# SPDX-License-Identifier: Apache-2.0
"""The shapes in which results leave the service: version 1 keyed by decimal words, version 2 by registers.

A version 1 key is a decimal integer whose bit k is qubit k. A version 2 key is a bit string, bit 0 leftmost.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from .jobs import Job
from .orders import CIRCUIT, MULTI
from .simulate import Outcome

VARIANTS = 20
"""Variants of a debiased circuit; chosen, IonQ does not publish them."""
NATIVE = "ionq.native.v1"
AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"
EXACT_FORMATS = ("ionq.result.probabilities.json.v1", "ionq.result.probabilities.json.v2")
SAMPLED_FORMATS = (
    *EXACT_FORMATS,
    "ionq.result.histogram.json.v1",
    "ionq.result.histogram.json.v2",
    "ionq.result.shots.json.v1",
    "ionq.result.shots.json.v2",
)


def outcome_of(job: Job) -> Outcome:
    """The outcome of a completed circuit."""
    return job.simulation.result()


def probabilities(job: Job) -> dict[str, float]:
    """Version 1 distribution of a completed circuit; states that never occur are left out."""
    outcome = outcome_of(job)
    factor = job.fault.factor if job.fault is not None and job.fault.action == "scale" else 1.0
    words = outcome.words()
    if outcome.sampled:
        shots = len(words)
        return {str(word): factor * count / shots for word, count in sorted(Counter(words).items())}
    total: dict[int, float] = {}
    for word, weight in zip(words, outcome.weights.tolist(), strict=True):
        total[word] = total.get(word, 0.0) + weight
    return {str(word): factor * weight for word, weight in total.items()}


def sharpened(job: Job) -> dict[str, float]:
    """Version 1 distribution of what most variants of a debiased circuit agree on; else the plain one.

    How shots are shared out is not published. Here each shot votes with one of every other variant,
    and of outcomes with equal votes the first one wins.
    """
    if not job.order.is_debiased:
        return probabilities(job)
    words = outcome_of(job).words()
    rounds = [words[first : first + VARIANTS] for first in range(0, len(words), VARIANTS)]
    winners = Counter(Counter(votes).most_common(1)[0][0] for votes in rounds)
    return {str(word): count / len(rounds) for word, count in sorted(winners.items())}


def histogram(job: Job) -> dict[str, int]:
    """Version 1 counts of a sampled circuit."""
    return {str(word): count for word, count in sorted(Counter(outcome_of(job).words()).items())}


def shots(job: Job) -> list[str]:
    """Version 1 shots, in the order they were taken."""
    return [str(word) for word in outcome_of(job).words()]


def aggregated(job: Job, *, sharpen: bool = False) -> dict[str, dict[str, float]]:
    """The distributions of all children, in circuit order, keyed by child id."""
    read = sharpened if sharpen else probabilities
    return {child.id: read(child) for child in job.children}


def is_native(job: Job) -> bool:
    """Whether a job is one circuit of native gates."""
    return job.circuit is not None and job.circuit.type == CIRCUIT and job.circuit.gateset == "native"


def payload(job: Job, name: str) -> Any:
    """The payload of a format."""
    if name == AGGREGATE:
        return aggregated(job)
    if name == NATIVE and job.circuit is not None:
        return {"qubits": job.qubits, "circuit": job.circuit.source["circuit"]}
    outcome = outcome_of(job)
    kind, version = name.split(".")[2], name.split(".")[4]
    if version == "v1":
        return {"probabilities": probabilities, "histogram": histogram, "shots": shots}[kind](job)
    if kind == "shots":
        columns = {register: outcome.bits(register).tolist() for register, _ in outcome.registers}
        rows = range(len(outcome.table))
        return {"shots": [{"registers": {name: bits[row] for name, bits in columns.items()}} for row in rows]}
    return {kind: {"registers": {name: _by_bits(outcome, name, kind) for name, _ in outcome.registers}}}


def _by_bits(outcome: Outcome, register: str, kind: str) -> dict[str, float]:
    patterns, where = np.unique(outcome.bits(register), axis=0, return_inverse=True)
    if outcome.sampled:
        counts = np.bincount(where.reshape(-1))
        totals = (counts if kind == "histogram" else counts / len(where)).tolist()
    else:
        totals = np.bincount(where.reshape(-1), weights=outcome.weights).tolist()
    keys = ("".join(map(str, pattern)) for pattern in patterns.tolist())
    return dict(zip(keys, totals, strict=True))


def formats(job: Job) -> tuple[str, ...]:
    """Names of all artifacts of a completed job."""
    compiled = (NATIVE,) if is_native(job) else ()
    return compiled if job.order.dry_run else (*compiled, *result_formats(job))


def result_formats(job: Job) -> tuple[str, ...]:
    """Names of the results of a job that ran. An exact distribution has no shots to count."""
    if job.type == MULTI:
        return (AGGREGATE,)
    return SAMPLED_FORMATS if outcome_of(job).sampled else EXACT_FORMATS


def descriptor(job: Job, name: str) -> dict[str, str]:
    """What ``results`` says about one format; its ``id`` leads to the artifact."""
    return {"id": artifact_id(job, name), "format": name, "media_type": "application/json"}


def artifact_id(job: Job, name: str) -> str:
    """A literal name for version 1 results, a UUID for all else."""
    literal = name.startswith("ionq.result.") and name.endswith(".v1")
    return name.split(".")[2] if literal else str(uuid5(UUID(job.id), name))


def results_map(job: Job, *, with_urls: bool) -> dict[str, Any]:
    """The ``results`` member of a completed job: legacy URLs, if wanted, and artifact descriptors."""
    names = result_formats(job)
    entries: dict[str, Any] = {}
    if with_urls:
        base = f"/v0.4/jobs/{job.id}/results"
        if job.type == MULTI:
            entries["probabilities"] = {"url": f"{base}/probabilities/aggregated"}
        else:
            kinds = dict.fromkeys(name.split(".")[2] for name in names)
            entries.update({kind: {"url": f"{base}/{kind}"} for kind in kinds})
    entries.update({name: descriptor(job, name) for name in names})
    return entries
