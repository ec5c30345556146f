"""Limits that a program sets itself: setrlimit(2), natively and inside."""
import json


def test_a_program_that_does_not_fit_dies_as_natively(same):
    same("""
import os, resource
for name in 'AS', 'DATA', 'STACK':
    for size in 0, 4096, 65536, 1 << 20, 16 << 20, 64 << 20:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open('/dev/null', os.O_WRONLY), 2)
            resource.setrlimit(getattr(resource, 'RLIMIT_' + name), (size, size))
            os.execv('/bin/true', ['true'])
        print(name, size, os.waitpid(pid, 0)[1])
""")


def test_memory_limits_hold_after_execve(same):
    same("""
import os, resource, subprocess, sys
code = '''
import mmap, sys
for mib in 1, 60, 300:
    try:
        bytearray(mib << 20)
        print(mib, 'fits')
    except MemoryError:
        print(mib, 'does not')
'''
for name in 'AS', 'DATA':
    def limit():
        resource.setrlimit(getattr(resource, 'RLIMIT_' + name), (200 << 20, 200 << 20))
    print(subprocess.run([sys.executable, '-c', code], preexec_fn=limit, capture_output=True, text=True).stdout)
""")


def test_descriptors_are_raised_to_what_the_policy_allows(terrarium, tmp_path):
    code = """
import os, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft, hard)
try:
    while True: os.dup(0)
except OSError as e:
    print(e.strerror, os.dup2(0, soft - 1))
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
print(os.dup2(0, hard - 1), os.dup(0) == soft)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard + 1))
except ValueError as e:
    print(e)
"""
    assert terrarium("run", "--", "-c", code).out == "1024 4096\nToo many open files 1023\n4095 True\nnot allowed to raise maximum limit\n"
    assert terrarium("run", "--limit", "open_files=2000", "--", "-c", code).out.startswith("1024 2000\n")
    result = terrarium("run", "--limit", "open_files=100", "--report", str(tmp_path / "r.json"), "--", "-c", "import os\nwhile True: os.dup(0)")
    assert "Too many open files" in result.err and result.status == 1
    limits = json.loads((tmp_path / "r.json").read_text())["limits"]
    assert limits["open_files"] == {"used": 100, "allowed": 100}
    assert terrarium("run", "--limit", "open_files=100", "--", "-c", "import resource; print(*resource.getrlimit(7))").out == "100 100\n"
