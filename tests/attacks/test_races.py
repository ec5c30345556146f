"""Arguments that change while they are looked at, from a thread and from another process through shared memory."""
import pytest

writers = pytest.mark.parametrize("writer", [(), ("shared",)], ids=["thread", "process"])


@writers
def test_path(attack, native, writer):
    """Natively both files are opened by a loop that asks for what one variable says; inside, a rule on the one never lets it
    through, whatever the variable became meanwhile."""
    assert native("races", "path", *writer) == (0, "one opened\nother opened\n")
    result = attack("races", "path", *writer, policy="""
terrarium: 1
calls: [{deny: "*", path: /dev/null, errno: EACCES}]
""", report=True)
    assert (result.status, result.out) == (0, "one opened\n"), result
    assert result.report["denied"][0]["count"] > 0  # it was tried


@writers
@pytest.mark.parametrize("what", ["sockaddr", "iovec", "msghdr", "control"])
def test_what_is_copied_is_copied_once(attack, native, what, writer):
    """The outcome is that of one of the two contents, as natively: no length of the one with the bytes of the other."""
    status, out = native("races", what, *writer)
    assert status == 0 and out.endswith("1 bad 0\n"), out
    result = attack("races", what, *writer)
    assert (result.status, result.out) == (status, out), result


def test_execve(attack, native):
    status, out = native("races", "exec")
    assert (status, out) == (0, "ran 1 odd 0\n")
    result = attack("races", "exec", report=True)
    assert (result.status, result.out) == (status, out), result
