"""`cpu: baseline` (docs/policy.md, "Processors"): what chooses by the kind of processor is asked not to."""
import os
import subprocess

PYTHON = "/usr/bin/python3"
BASELINE = "terrarium: 1\ncpu: baseline\n"
DIGITS = """
import hashlib, math, random
import numpy
from numpy.core._multiarray_umath import __cpu_features__ as features
r, h = random.Random(1), hashlib.sha256()
for _ in range(5000):
    x = r.uniform(-100, 100)
    h.update(repr((math.sin(x), math.cos(x), math.exp(x / 10), math.log(abs(x)), math.tan(x), math.atan(x), abs(x) ** 1.7)).encode())
a = numpy.array([r.uniform(-100, 100) for _ in range(4096)])
for b in numpy.sin(a), numpy.exp(a / 10), numpy.sum(numpy.float32(a)), numpy.dot(a, a):
    h.update(b.tobytes())
print(h.hexdigest(), [name for name in ('AVX', 'AVX2', 'FMA3', 'AVX512F') if features[name]])
"""
AUXV = "import struct\nfor kind, value in struct.iter_unpack('QQ', open('/proc/self/auxv', 'rb').read()):\n    if kind in (16, 26): print(kind, hex(value))"


def test_digits_are_those_of_less_of_a_processor(terrarium):
    plain, less = (terrarium("run", "--python", PYTHON, "--", "-c", DIGITS, policy=p) for p in ("terrarium: 1\n", BASELINE))
    variables = dict(line.split("=", 1) for line in
                     terrarium("exec", "--", "/usr/bin/env", policy=BASELINE).out.splitlines() if line.startswith(("GLIBC_", "NPY_", "OPENSSL_", "PYTHON")))
    assert len(variables) == 4
    native = subprocess.run([PYTHON, "-c", DIGITS], capture_output=True, text=True, env={**os.environ, **variables}, check=True).stdout
    assert less.out == native and less.out.endswith("[]\n") and less.err == "", less
    with open("/proc/cpuinfo") as f:
        if " fma " in f.read():
            assert plain.out != less.out


def test_the_auxiliary_vector(terrarium):
    assert terrarium("run", "--python", PYTHON, "--", "-c", AUXV, policy=BASELINE).out == "16 0x78bfbff\n26 0x0\n"


def test_what_is_declared_stays(terrarium):
    said = terrarium("exec", "--", "/usr/bin/env", policy=BASELINE + "environment: {GLIBC_TUNABLES: \"\"}\n").out.splitlines()
    assert "GLIBC_TUNABLES=" in said and sum(line.startswith("GLIBC_TUNABLES") for line in said) == 1
    assert not any("GLIBC_TUNABLES" in line for line in terrarium("exec", "--", "/usr/bin/env").out.splitlines())


def test_another_word_is_an_error(terrarium):
    wrong = terrarium("exec", "--", "/bin/true", policy="terrarium: 1\ncpu: least\n")
    assert wrong.status == 125 and ":2:6: cpu: 'least': expected host or baseline" in wrong.err, wrong
