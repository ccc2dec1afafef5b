# SPDX-License-Identifier: Apache-2.0
"""Qiskit's primitives on IonQ: all circuits of all PUBs, whatever their shots, as one composite job."""

from .estimator import EstimatorV2
from .job import ParallelPrimitiveJob
from .options import EstimatorOptions, SamplerOptions
from .sampler import SamplerV2

__all__ = ["EstimatorOptions", "EstimatorV2", "ParallelPrimitiveJob", "SamplerOptions", "SamplerV2"]
