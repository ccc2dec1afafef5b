# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine that is shared is slow at times; that is no fault of an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
