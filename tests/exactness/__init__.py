# SPDX-License-Identifier: Apache-2.0
"""Random circuits against exact simulation, on every way from a circuit to what is sent.

The simulator here shares no code with the compiler, the encoder or the emulator.
"""
