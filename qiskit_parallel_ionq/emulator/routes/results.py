# SPDX-License-Identifier: Apache-2.0
"""Endpoints that hand out results: by legacy URL and as artifacts."""

from __future__ import annotations

from .. import results
from ..jobs import Job
from ..problems import RequestError
from ..server import Request
from .base import Answer, Cloud, bad_query, query_flag, query_text, route
from .jobs import completed, is_parent


def get_probabilities(cloud: Cloud, request: Request, job: str) -> Answer:
    """The distribution of one circuit: of a debiased one the average, or what its variants agree on."""
    sharpen = _is_sharpened(request)
    found = completed(cloud, job)
    if is_parent(found):
        raise RequestError(404, f"Job {job} has several circuits: ask for probabilities/aggregated.")
    return Answer(results.sharpened(found) if sharpen else results.probabilities(found))


def get_aggregated(cloud: Cloud, request: Request, job: str) -> Answer:
    """The distributions of all children, in circuit order."""
    sharpen = _is_sharpened(request)
    _refuse_legacy(cloud)
    found = completed(cloud, job)
    if not is_parent(found):
        raise RequestError(404, f"Job {job} has one circuit: ask for probabilities.")
    return Answer(results.aggregated(found, sharpen=sharpen))


def _is_sharpened(request: Request) -> bool:
    """Whether the query asks for a vote: as the specification says it, or as the newest client does.

    How ``dnl`` weighs variants is not published; here it is the average.
    """
    how = query_text(request, "aggregation")
    if how not in (None, "average", "voting", "dnl"):
        raise bad_query("aggregation", f"aggregation must be average, voting or dnl, not {how!r}")
    return query_flag(request, "sharpen") is True or how == "voting"


def get_histogram(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The counts of a sampled circuit."""
    return Answer(results.histogram(_sampled(cloud, job)))


def get_shots(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The shots of a sampled circuit."""
    return Answer(results.shots(_sampled(cloud, job)))


def get_artifact(cloud: Cloud, _request: Request, job: str, artifact: str) -> Answer:
    """A result or a compiled circuit, in the format its descriptor names."""
    found = completed(cloud, job, dry_runs=True)
    for name in results.formats(found):
        if artifact == results.artifact_id(found, name):
            return Answer(results.payload(found, name))
    raise RequestError(404, f"Job {job} has no artifact {artifact}.")


def _sampled(cloud: Cloud, job_id: str) -> Job:
    _refuse_legacy(cloud)
    job = completed(cloud, job_id)
    if is_parent(job) or not results.outcome_of(job).sampled:
        raise RequestError(404, f"Job {job_id} has no shots of its own.")
    return job


def _refuse_legacy(cloud: Cloud) -> None:
    if cloud.knobs.artifacts_only:
        raise RequestError(404, "This service publishes these results as artifacts only.")


ROUTES = (
    route("GET", "/jobs/{job}/results/probabilities", get_probabilities),
    route("GET", "/jobs/{job}/results/probabilities/aggregated", get_aggregated),
    route("GET", "/jobs/{job}/results/histogram", get_histogram),
    route("GET", "/jobs/{job}/results/shots", get_shots),
    route("GET", "/jobs/{job}/artifacts/{artifact}", get_artifact),
)
