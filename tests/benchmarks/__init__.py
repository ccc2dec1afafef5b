# SPDX-License-Identifier: Apache-2.0
"""What is promised about time and memory, measured; unmodified peers beside it on the same service.

``python -m tests.benchmarks`` measures everything and prints one table. Each measurement is a module here
with a function ``measure`` that yields `rows.Row`; `processes` has the service that all of them talk to.
"""
