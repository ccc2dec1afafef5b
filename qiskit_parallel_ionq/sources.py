# SPDX-License-Identifier: Apache-2.0
"""Where the result of a job is to be had, in order of preference.

The service names results in two ways, an older ``{"url": …}`` and artifact descriptors keyed by format;
either may be missing. URLs given by a server are never followed: only their presence is read, and the
path is built here from checked ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import wire

Kind = Literal["probabilities", "histogram", "shots"]
_VERSIONS: dict[str, tuple[str, ...]] = {
    "probabilities": ("v1", "v2"),
    "histogram": ("v1", "v2"),
    "shots": ("v2", "v1"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """One request that yields a result, below the base URL."""

    kind: Kind
    path: str


def preferred_kinds(*, exact: bool, memory: bool, by_register: bool) -> tuple[Kind, ...]:
    """Return the kinds of result that serve, best first.

    Args:
        exact: the ideal simulator: there are no shots, only a distribution.
        memory: whether the order of the shots is wanted.
        by_register: an OpenQASM 3 job, whose classical register only shots and the v2 shapes hold.
    """
    if exact:
        return ("probabilities", "shots", "histogram")
    if memory or by_register:
        return ("shots", "histogram", "probabilities")
    return ("probabilities", "histogram", "shots")


def sources(
    job_id: str,
    results: Mapping[str, Any] | None,
    kinds: tuple[Kind, ...],
    *,
    by_register: bool = False,
    query: str = "",
) -> tuple[Source, ...]:
    """Return where a finished job's result can be asked for, best first.

    Args:
        job_id: a checked id.
        results: the job's own map of results; None or empty: the standing paths are tried.
        kinds: kinds of result that serve, best first.
        by_register: artifacts in their v2 shape are preferred, which keep registers apart.
        query: names which of several results is wanted. Distributions alone, at their standing path, know it.
    """
    if query:
        return (Source("probabilities", f"/jobs/{job_id}/results/probabilities?{query}"),)
    standing = [Source(kind, f"/jobs/{job_id}/results/{kind}") for kind in kinds]
    if not results:
        return tuple(standing)
    named: list[Source] = []
    for kind, by_url in zip(kinds, standing, strict=True):
        artifacts = _artifacts(job_id, results, kind, reverse=by_register and kind != "shots")
        entry = results.get(kind)
        urls = [by_url] if isinstance(entry, Mapping) and entry.get("url") else []
        named += artifacts + urls if by_register else urls + artifacts
    return tuple(dict.fromkeys(named)) or tuple(standing)


def aggregate_sources(job_id: str, results: Mapping[str, Any] | None, query: str = "") -> tuple[Source, ...]:
    """Return where the distributions of all circuits of a pack can be had in one answer."""
    standing = Source("probabilities", f"/jobs/{job_id}/results/probabilities/aggregated")
    if query:
        return (Source("probabilities", f"{standing.path}?{query}"),)
    artifacts = _artifacts(job_id, results or {}, "probabilities-aggregate")
    has_url = isinstance((results or {}).get("probabilities"), Mapping)
    if artifacts and not has_url:
        return (*artifacts, standing)
    return (standing, *artifacts)


def _artifacts(job_id: str, results: Mapping[str, Any], kind: str, *, reverse: bool = False) -> list[Source]:
    versions = _VERSIONS.get(kind, ("v1",))
    found = []
    for version in reversed(versions) if reverse else versions:
        descriptor = results.get(f"ionq.result.{kind}.json.{version}")
        artifact = descriptor.get("id") if isinstance(descriptor, Mapping) else None
        if wire.is_job_id(artifact):
            name: Any = "probabilities" if kind == "probabilities-aggregate" else kind
            found.append(Source(name, f"/jobs/{job_id}/artifacts/{artifact}"))
    return found
