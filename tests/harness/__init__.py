# SPDX-License-Identifier: Apache-2.0
"""The fault harness: services that misbehave, clients that are killed, and a judge of what both wrote.

`service` is an IonQ that can be told to fail in any of the ways of `faults`. `faulty_ionq` puts it on a real
socket in a process of its own, `simulation` runs the shipped conductor against it in virtual time. Both
write down what happened, and `history` says offline whether anything was lost, bought twice or mixed up.
"""
