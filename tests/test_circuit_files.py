# SPDX-License-Identifier: Apache-2.0
"""Circuits from files: every kind is read, and what cannot be is named by file and line."""

from __future__ import annotations

import io
import sys

import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit.circuit.classical import expr
from qiskit.exceptions import MissingOptionalLibraryError
from qiskit.quantum_info import Operator

from qiskit_parallel_ionq import circuit_files
from qiskit_parallel_ionq.circuit_files import origin, read_circuits
from qiskit_parallel_ionq.errors import CircuitFileError

HEAD_2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\n'
HEAD_3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n'
BELL_2 = HEAD_2 + "h q[0];\ncx q[0], q[1];\nmeasure q -> c;\n"
BELL_3 = HEAD_3 + "h q[0];\ncx q[0], q[1];\nc = measure q;\n"


def bell(name: str = "bell") -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def packed(*circuits) -> bytes:
    file = io.BytesIO()
    qpy.dump(list(circuits), file)
    return file.getvalue()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Return a function that writes a file into the working folder: name, content -> name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write


def is_a_bell(circuit: QuantumCircuit) -> bool:
    return Operator(circuit.remove_final_measurements(inplace=False)) == Operator(
        bell().remove_final_measurements(inplace=False)
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bell.qasm", BELL_2),
        ("bell.qasm2", BELL_2),
        ("bell.qasm", BELL_3),
        ("bell.qasm3", BELL_3),
        ("bell.qasm3", BELL_3.replace("OPENQASM 3.0;\n", "")),
        ("bell.qasm2", BELL_3),
        ("bell.txt", "\ufeff// by hand\n/* of two\nlines */ " + BELL_3),
        ("bell", packed(bell())),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)
def test_what_a_file_is_its_content_says(put, name, content):
    (circuit,) = read_circuits([put(name, content)])
    assert is_a_bell(circuit)
    assert circuit.name == "bell"
    assert origin(circuit.metadata) == (name, 0)


def test_gates_that_qiskit_once_added_to_openqasm_2_are_known(put):
    (circuit,) = read_circuits([put("old.qasm", HEAD_2 + "rxx(0.5) q[0], q[1];\nmeasure q -> c;\n")])
    assert circuit.count_ops()["rxx"] == 1


def test_an_include_beside_the_file_is_found(put):
    put("sub/mine.inc", "gate twice a { x a; x a; }")
    text = HEAD_2.replace("qreg", 'include "mine.inc";\nqreg') + "twice q[0];\nmeasure q -> c;\n"
    (circuit,) = read_circuits([put("sub/a.qasm", text)])
    assert circuit.count_ops()["twice"] == 1


def test_all_circuits_of_a_qpy_file_keep_their_names_and_metadata(put):
    first, second = bell("first"), bell("second")
    second.metadata = {"mine": 5}
    read = read_circuits([put("two.qpy", packed(first, second))])
    assert [circuit.name for circuit in read] == ["first", "second"]
    assert [str(origin(circuit.metadata)) for circuit in read] == ["two.qpy", "two.qpy[1]"]
    assert read[1].metadata["mine"] == 5


def test_folders_and_patterns_are_taken_by_name_and_files_as_they_come(put, tmp_path):
    for name in ("f/b.qasm", "f/a.qasm3", "f/c.qpy", "f/notes.md"):
        put(name, packed(bell()) if name.endswith("qpy") else BELL_3)

    def files(*places) -> list[str]:
        return [origin(circuit.metadata).file for circuit in read_circuits(places)]

    assert files("f") == ["f/a.qasm3", "f/b.qasm", "f/c.qpy"]
    assert files("f/*.qasm*") == ["f/a.qasm3", "f/b.qasm"]
    assert files("**/*.qpy") == ["f/c.qpy"]
    assert files("f/c.qpy", tmp_path / "f" / "b.qasm", "f/c.qpy") == [
        "f/c.qpy",
        str(tmp_path / "f" / "b.qasm"),
        "f/c.qpy",
    ]


def test_a_file_named_like_a_pattern_is_that_file(put):
    put("a1.qasm", BELL_2)
    (circuit,) = read_circuits([put("a[1].qasm", BELL_3)])
    assert circuit.name == "a[1]"


@pytest.mark.parametrize("content", [BELL_2.encode(), BELL_3.encode(), packed(bell("stdin"))])
def test_standard_input_is_a_file_too(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    (circuit,) = read_circuits(["-"])
    assert is_a_bell(circuit)
    assert (circuit.name, origin(circuit.metadata)) == ("stdin", ("-", 0))


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a.qasm", HEAD_2 + "foo q[0];", 5, "'foo' is not defined"),
        ("a.qasm", HEAD_2 + "\n\nh q[7];", 7, "out-of-range"),
        ("a.qasm", HEAD_2 + "h q[0]\ncx q[0], q[1];", 6, "needed ';'"),
        ("a.qasm", HEAD_3 + "foo q[0];", 5, "'foo' is not defined"),
        ("a.qasm", HEAD_3 + "\n\nh q[7];", 7, "out of range"),
        ("a.qasm", HEAD_3 + "h q[0]\ncx q[0], q[1];", 6, "unexpected 'cx'"),
        ("a.qasm", HEAD_3 + "if (", 5, "unexpected end"),
        ("a.qasm", HEAD_3 + "$", 5, "token recognition error at: '$'"),
        ("a.qasm", HEAD_3 + "\nrx(1/0) q[0];", 6, "division"),
        ("a.qasm", "// hm\nOPENQASM 4.0;", 2, "is OpenQASM 4, and 2 and 3"),
        ("a.qasm", "", 1, "neither QPY nor OpenQASM"),
        ("a.json", "{}", 1, "neither QPY nor OpenQASM"),
        ("a.qasm", b"\xff\xfe", None, "neither QPY nor text"),
        ("a.qpy", packed(bell())[:80], None, "cannot be read as QPY"),
        ("a.qpy", b"QISKIT", None, "cannot be read as QPY"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(put, capsys, name, content, line, says):
    with pytest.raises(CircuitFileError) as caught:
        read_circuits([put(name, content)])
    where = name if line is None else f"{name}:{line}"
    assert str(caught.value).startswith(f"{where}: ")
    assert says in str(caught.value)
    assert (caught.value.file, caught.value.line) == (name, line)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")  # a reader's own chatter is not heard


@pytest.mark.parametrize(
    ("place", "says"), [("gone.qasm", "no such file"), ("*.zzz", "no file matches"), (".", "holds no file")]
)
def test_a_place_without_circuits_is_named(put, place, says):
    put("notes.md", "")
    with pytest.raises(CircuitFileError, match=says) as caught:
        read_circuits([place])
    assert caught.value.file == place


def test_every_bad_file_is_named_at_once_up_to_five(put):
    put("good.qasm", BELL_2)
    bad = [put(f"bad{number}.qasm", HEAD_2 + "foo q[0];") for number in range(7)]
    with pytest.raises(CircuitFileError) as caught:
        read_circuits(["good.qasm", *bad[:3], "gone.qasm"])
    first, *others = str(caught.value).splitlines()
    assert first == "4 files cannot be used:"
    assert [line.split(": ")[0].strip() for line in others] == [
        "bad0.qasm:5",
        "bad1.qasm:5",
        "bad2.qasm:5",
        "gone.qasm",
    ]
    with pytest.raises(CircuitFileError, match=r"7 files(.|\n)*bad4(.|\n)*… and 2 more$"):
        read_circuits(bad)


def test_a_circuit_that_measures_nothing_is_refused_or_measured(put):
    bare = QuantumCircuit(2, name="bare")
    bare.h(0)
    name = put("mixed.qpy", packed(bell(), bare))
    with pytest.raises(CircuitFileError, match=r"^mixed\.qpy\[1\]: measures nothing.*--measure-all"):
        read_circuits([name])
    one, other = read_circuits([name], measure_all=True)
    assert one.num_clbits == 2  # what measures is left alone
    assert other.count_ops()["measure"] == 2


def test_a_measurement_in_a_branch_or_an_instruction_counts(put):
    branching = QuantumCircuit(1, 1, name="branching")
    with branching.if_test(expr.lift(True)):
        branching.measure(0, 0)
    reading = QuantumCircuit(1, 1, name="reading")
    reading.measure(0, 0)
    nested = QuantumCircuit(1, 1, name="nested")
    nested.append(reading.to_instruction(), [0], [0])
    assert len(read_circuits([put("two.qpy", packed(branching, nested))])) == 2


def test_parameters_are_left_to_whoever_runs_it(put):
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("x"), 0)
    circuit.measure(0, 0)
    (read,) = read_circuits([put("open.qpy", packed(circuit))])
    assert read.num_parameters == 1


def test_a_missing_reader_of_openqasm_3_says_what_to_install(put, monkeypatch):
    def missing(_):
        raise MissingOptionalLibraryError("qiskit_qasm3_import", "loading from OpenQASM 3")

    monkeypatch.setattr(circuit_files.qasm3, "loads", missing)
    with pytest.raises(CircuitFileError, match=r"bell\.qasm3: .*pip install qiskit-qasm3-import"):
        read_circuits([put("bell.qasm3", BELL_3)])


def test_circuits_from_elsewhere_have_no_origin():
    assert origin(None) is None
    assert origin({"mine": 1}) is None
