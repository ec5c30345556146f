"""Other processes, the kernel's own doors, hidden descriptors, frames of signals: everything that is not the world's own files."""
import os
import pty
import subprocess

from tests.conftest import TERRARIUM


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


# By errno: what this world's kernel is built without, what nobody has the privilege for, what it does not understand.
REFUSED = {
    "ENOSYS": """clone3 seccomp-strict seccomp-filter seccomp-notify io_uring_setup io_uring_enter io_uring_register io_setup
        io_submit process_mrelease userfaultfd memfd_secret map_shadow_stack modify_ldt set_thread_area rseq keyctl add_key
        landlock uselib""",
    "EINVAL": """prctl-seccomp prctl-seccomp-strict user-dispatch prctl-tsc prctl-ptracer arch-cpuid arch-map-vdso
        arch-map-vdso32 arch-tagged-addresses arch-xcomp arch-shadow-stack remap_file_pages""",
    "EPERM": """prctl-mm ptrace-me ptrace-attach ptrace-seize ptrace-regs process_vm_readv process_vm_writev process_madvise
        kcmp move_pages migrate_pages open_by_handle_at bpf perf_event_open fanotify_init mount umount open_tree fsopen
        unshare-user clone-newuser setns pivot_root chroot iopl ioperm kexec_load init_module swapon reboot syslog acct
        quotactl sethostname settimeofday vhangup lookup_dcookie listmount""",
    "EOPNOTSUPP": "name_to_handle_at",
}


def test_what_is_refused(attack):
    """Not shown natively: as root some of it would happen."""
    result = attack("doors", "refused", report=True)
    expected = {name: errno for errno, names in REFUSED.items() for name in names.split()}
    assert lines(result.out) == expected and result.report["verdict"] == "ok", result


def test_refused_to_the_worlds_root_too(attack):
    """uid 0 of the world is nobody outside; what it may of its own (a chroot) it may."""
    result = attack("doors", "refused", policy="terrarium: 1\nuser: {uid: 0, gid: 0}")
    got = lines(result.out)
    assert got.pop("chroot") == "ok"
    assert "ok" not in got.values() and "fault" not in got.values(), result


def test_hidden_descriptors(attack):
    """Closing, duplicating, passing, reading the numbers the real process has besides the guest's."""
    result = attack("doors", "hidden")
    assert result.out == "descriptors 0\npassed 0\npidfd_getfd 0\nmaps 1\n" and result.status == 0, result


def test_processes_outside(attack):
    """Every pid there is: none but the world's own answers. Never natively: kill(-1)."""
    result = attack("doors", "outside", timeout=120)
    assert result.status == 0 and result.out.splitlines() == [
        "tried 1 signalled 0 looked 0 opened 0", "everyone ok", "child 15", "group ok", "reaper EPERM", "thread ESRCH"], result


def test_children_that_ask_not_to_be_traced(attack, native):
    """Each says which host it is on: natively the machine's, inside the world's."""
    status, out = native("doors", "escapes")
    outside, result = lines(out), attack("doors", "escapes")
    inside = lines(result.out)
    assert set(outside) == set(inside) and len(inside) == 11, (out, result)
    assert all(inside[name] == "terrarium" or inside[name] == outside[name] for name in inside), (out, result)
    assert inside["untraced"] == "terrarium" != outside["untraced"], (out, result)


def test_frames_no_kernel_wrote(attack, native):
    status, out = native("doors", "frames")
    result = attack("doors", "frames")
    assert status == 0 and lines(out)["plain"] == "3" and lines(out)["rip-kernel"] == "-11", out
    assert (result.status, result.out) == (0, out), (out, result)


def test_the_vsyscall_page(attack, native):
    """Three entries, where this kernel has them; they are calls like any other, with the world's clock and processor."""
    status, out = native("doors", "vsyscall")
    result = attack("doors", "vsyscall")
    assert (result.status, result.out) == (status, out), (out, result)


def test_what_one_may_do_to_oneself(attack, native):
    status, out = native("doors", "own")
    result = attack("doors", "own", stdin=b"")
    assert out.endswith("mem 2\n") and "from-memory\nvfork 42\nfrom-a-thread\nkilled\n" in out, out
    assert result.out.splitlines()[:4] == out.splitlines()[:4], result
    assert lines(result.out)["mem"] == "0", result


def test_characters_into_the_callers_terminal():
    """TIOCSTI would type commands for the shell that comes after the run."""
    master, slave = pty.openpty()
    code = """
import fcntl, termios
for fd in (0, 1, 2):
    for c in b'echo pwned\\n':
        try: fcntl.ioctl(fd, termios.TIOCSTI, bytes([c])); print('typed')
        except OSError as e: pass
for request in (0x541D, 0x541E, 0x5423, 0x541C, 0x4B66):  # TIOCCONS, TIOCGSERIAL .. TIOCLINUX, TIOCSETD, KDSETMODE
    try: fcntl.ioctl(0, request, b'\\x02' + bytes(31)); print('done', hex(request))
    except OSError as e: pass
print('end')
"""
    done = subprocess.run([TERRARIUM, "run", "--python", "/usr/bin/python3", "--", "-c", code], stdin=slave, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    os.set_blocking(master, False)
    os.set_blocking(slave, False)
    try:
        waiting = os.read(slave, 100)
    except BlockingIOError:
        waiting = b""
    os.close(master), os.close(slave)
    assert done.returncode == 0 and done.stdout.endswith(b"end\n"), done
    assert waiting == b"", done
