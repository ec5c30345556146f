// rooms: vfs
/* Pseudo-terminals beside the kernel's own: what is typed, what is printed, what is echoed. And job control, which has
 * no native twin here: its processes are made up. */
#include "tests/unit/files.h"

#include "vfs/node.h"

#include <asm/termbits.h>
#include <signal.h>
#include <stdio.h>

struct twins {
    struct vfs *v;
    struct file *master, *slave;
    int master_fd, slave_fd;
};

static void twins_make(struct twins *t)
{
    int zero = 0, number;
    t->v = test_vfs();
    t->master = ptmx_new(t->v, NULL, O_RDWR | O_NONBLOCK, NULL);
    assert_non_null(t->master);
    assert_int_equal(pts_open(t->v, 0, O_RDWR, &t->slave), -EIO); /* locked */
    assert_int_equal(control(t->master, TIOCSPTLCK, &zero), 0);
    assert_int_equal(control(t->master, TIOCGPTN, &number), 0);
    assert_int_equal(pts_open(t->v, (uint32_t)number, O_RDWR | O_NONBLOCK | O_NOCTTY, &t->slave), 0);
    t->master_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_int_equal(unlockpt(t->master_fd), 0);
    t->slave_fd = open(ptsname(t->master_fd), O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(t->slave_fd >= 0);
}

static void twins_end(struct twins *t)
{
    file_put(t->slave);
    file_put(t->master);
    close(t->slave_fd);
    close(t->master_fd);
    assert_null(t->v->objects.terminals);
    vfs_free(t->v);
}

static int unread(struct file *f)
{
    int n = -1;
    control(f, FIONREAD, &n);
    return n;
}

static int native_unread(int fd)
{
    int n = -1;
    native_poll(fd, POLLIN);
    ioctl(fd, FIONREAD, &n);
    return n;
}

/* The kernel's bytes cross by a work queue: give it time to get where we are. */
static void settle(struct twins *t)
{
    for (int i = 0; i < 1500; i++) { /* a busy machine: it ends when they agree */
        usleep(i ? 700 : 100);
        if (unread(t->slave) == native_unread(t->slave_fd) && unread(t->master) == native_unread(t->master_fd))
            break;
    }
}

static void write_both(struct twins *t, bool master, const char *bytes, size_t n)
{
    ssize_t a = give(master ? t->master : t->slave, bytes, n);
    ssize_t b = native(write(master ? t->master_fd : t->slave_fd, bytes, n));
    for (int tries = 0; b == -EAGAIN && a != -EAGAIN && tries < 2000;
         tries++) { /* is what was written before on its way? */
        usleep(5000);
        b = native(write(master ? t->master_fd : t->slave_fd, bytes, n));
    }
    assert_int_equal(a, b);
    settle(t);
}

static void show(const char *who, const char *bytes, ssize_t n)
{
    print_message("%s %zd:", who, n);
    for (ssize_t i = 0; i < n; i++)
        print_message(" %02x", (unsigned char)bytes[i]);
    print_message("\n");
}

static ssize_t read_both(struct twins *t, bool master, size_t n)
{
    char mine[8192], theirs[8192];
    ssize_t a = get(master ? t->master : t->slave, mine, n);
    ssize_t b = native(read(master ? t->master_fd : t->slave_fd, theirs, n));
    for (int tries = 0; b == -EAGAIN && a != -EAGAIN && tries < 2000; tries++) { /* still in its work queue? */
        usleep(5000);
        b = native(read(master ? t->master_fd : t->slave_fd, theirs, n));
    }
    if (a != b || (a > 0 && memcmp(mine, theirs, (size_t)a))) {
        show("here  ", mine, a);
        show("native", theirs, b);
    }
    assert_int_equal(a, b);
    if (a > 0)
        assert_memory_equal(mine, theirs, a);
    settle(t);
    return a;
}

static void type_both(struct twins *t, const char *text)
{
    write_both(t, true, text, strlen(text));
}

static uint32_t poll_bits(uint32_t events)
{
    return events & (POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP);
}

/* The kernel's terminal hands bytes on from a work queue: on a busy machine they come a little later. */
static void await_native(struct twins *t, short all)
{
    for (int tries = 0; tries < 2000; tries++) {
        if (poll_bits(file_poll(t->slave, NULL)) == (uint32_t)native_poll(t->slave_fd, all) &&
            poll_bits(file_poll(t->master, NULL)) == (uint32_t)native_poll(t->master_fd, all) &&
            unread(t->slave) == native_unread(t->slave_fd))
            return;
        usleep(5000);
    }
}

static void same_state(struct twins *t)
{
    const short all = POLLIN | POLLOUT | POLLPRI;
    await_native(t, all);
    assert_int_equal(poll_bits(file_poll(t->slave, NULL)), native_poll(t->slave_fd, all));
    assert_int_equal(poll_bits(file_poll(t->master, NULL)), native_poll(t->master_fd, all));
    assert_int_equal(unread(t->slave), native_unread(t->slave_fd));
}

static void set_both(struct twins *t, const struct termios2 *new, unsigned long command)
{
    assert_int_equal(control(t->slave, (uint32_t)command, new), native(ioctl(t->slave_fd, command, new)));
    settle(t);
}

static void settings_begin_as_the_kernels(void **state)
{
    struct twins t;
    struct termios2 mine = {0}, theirs = {0};
    struct winsize window = {30, 100, 0, 0}, mine_window, their_window;
    twins_make(&t);
    assert_int_equal(control(t.slave, TCGETS2, &mine), 0);
    ioctl(t.slave_fd, TCGETS2, &theirs);
    assert_memory_equal(&mine, &theirs, sizeof mine);
    mine.c_lflag &= ~(uint32_t)(ICANON | ECHO);
    mine.c_cflag = CS5 | PARENB | B9600;
    mine.c_cc[VMIN] = 7;
    set_both(&t, &mine, TCSETS);
    memset(&mine, 0, sizeof mine);
    memset(&theirs, 0, sizeof theirs);
    control(t.master, TCGETS, &mine);
    ioctl(t.master_fd, TCGETS, &theirs);
    assert_memory_equal(&mine, &theirs, 36);
    control(t.slave, TIOCGWINSZ, &mine_window);
    ioctl(t.slave_fd, TIOCGWINSZ, &their_window);
    assert_memory_equal(&mine_window, &their_window, sizeof mine_window);
    assert_int_equal(control(t.master, TIOCSWINSZ, &window), 0);
    control(t.slave, TIOCGWINSZ, &mine_window);
    assert_memory_equal(&mine_window, &window, sizeof window);
    assert_int_equal(control(t.slave, TIOCSTI, "x"), -EIO);
    assert_int_equal(control(t.slave, 0x1234, NULL), native(ioctl(t.slave_fd, 0x1234, NULL)));
    twins_end(&t);
}

static void lines_are_edited(void **state)
{
    struct twins t;
    twins_make(&t);
    static const char *const typed[] = {
        "hello\r",
        "helpx\x7flo\x7f\n",
        "one two three\x17\x17"
        "four\n",
        "away\x15stay\n",
        "a\tb\t\x7f\x7f\x7f\x7f\n",
        "ctrl \x01\x02\x7f\x7f\x7f.\n",
        "\x16\x03\x16\x04\n",
        "no end\x04",
        " and more\n\x04",
        "\x12re\x12print\n",
        "\xc3\xa9t\xc3\xa9\x7f\x7f\x7f\n",
        "stop\x13\n\x11go\n",
        "a\0b\n",
        "int\x03quit\x1csusp\x1a\n",
    };
    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++) {
        type_both(&t, typed[i]);
        same_state(&t);
        read_both(&t, true, 1000);
        while (read_both(&t, false, i % 3 ? 1000 : 3) >= 0) {
        }
    }
    twins_end(&t);
}

static void the_end_of_file_is_read_once(void **state)
{
    struct twins t;
    twins_make(&t);
    type_both(&t, "ab\x04\x04xy\n");
    assert_int_equal(read_both(&t, false, 2), 2); /* exactly the line: its end of file goes with it */
    assert_int_equal(read_both(&t, false, 10), 0);
    assert_int_equal(read_both(&t, false, 10), 3);
    assert_int_equal(read_both(&t, false, 10), -EAGAIN);
    twins_end(&t);
}

static void a_line_too_long_is_cut(void **state)
{
    struct twins t;
    static char line[6000];
    twins_make(&t);
    memset(line, 'x', sizeof line);
    line[5000] = '\n';
    struct termios2 quiet = {.c_iflag = ICRNL, .c_lflag = ICANON, .c_cflag = B38400, .c_cc = {[VEOF] = 4}};
    set_both(&t, &quiet, TCSETS2);
    write_both(&t, true, line, 5001);
    same_state(&t);
    while (read_both(&t, false, 3000) > 0) {
    }
    twins_end(&t);
}

static void random_settings(struct termios2 *to, uint64_t *seed)
{
    static const uint32_t in[] = {ICRNL, IXON, INLCR, IGNCR, ISTRIP, IUCLC, IXANY, IUTF8, PARMRK};
    static const uint32_t out[] = {OPOST, ONLCR, OCRNL, ONOCR, ONLRET, OLCUC, XTABS};
    static const uint32_t local[] = {ICANON,  ECHO,    ECHOE,  ECHOK, ECHOKE, ECHONL,
                                     ECHOCTL, ECHOPRT, IEXTEN, ISIG,  NOFLSH};
    for (int i = 0; i < 2; i++) {
        to->c_iflag ^= chance(seed) % 2 ? in[chance(seed) % 9] : 0;
        to->c_oflag ^= chance(seed) % 2 ? out[chance(seed) % 7] : 0;
        to->c_lflag ^= chance(seed) % 2 ? local[chance(seed) % 11] : 0;
    }
    if (chance(seed) % 4 == 0)
        to->c_cc[VEOL] = chance(seed) % 2 ? ';' : 0;
    if (chance(seed) % 4 == 0)
        to->c_cc[VMIN] = (unsigned char)(chance(seed) % 5);
    to->c_cc[VTIME] = 0;
}

static void one_life(uint64_t seed)
{
    static const char keys[] = "abcde fgh;AB\r\n\n\x7f\x7f\x15\x17\x16\x12\x04\x01\x03\x13\x11\b\xc3\xa9\xff";
    struct twins t;
    struct termios2 settings;
    twins_make(&t);
    control(t.slave, TCGETS2, &settings);
    settings.c_lflag &= ~(uint32_t)ECHOPRT;
    for (int step = 0; step < 120; step++) {
        char bytes[64];
        size_t n = 1 + chance(&seed) % 12;
        for (size_t i = 0; i < n; i++)
            bytes[i] = keys[chance(&seed) % (sizeof keys - 1)];
        switch (chance(&seed) % 8) {
        case 0:
        case 1:
        case 2:
            write_both(&t, true, bytes, n);
            break;
        case 3:
            if (!(file_poll(t.slave, NULL) & EPOLLOUT))
                break;
            for (size_t i = 0; i < n; i++)
                bytes[i] = "abc\n\r\t\b\x01"[chance(&seed) % 8];
            write_both(&t, false, bytes, n);
            break;
        case 4:
            read_both(&t, true, 1 + chance(&seed) % 100);
            break;
        case 5:
            read_both(&t, false, 1 + chance(&seed) % 30);
            break;
        case 6:
            same_state(&t);
            break;
        case 7:
            if (chance(&seed) % 2) {
                /* Echo held back by ^S is processed here as it was typed, natively as it is shown: let it go first. */
                type_both(&t, "\x11");
                random_settings(&settings, &seed);
                set_both(&t, &settings, chance(&seed) % 3 ? TCSETS2 : TCSETSF2);
            }
            break;
        }
    }
    twins_end(&t);
}

static void a_terminal_behaves_as_the_kernels(void **state)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        one_life(seed);
}

static void closing_is_heard_on_the_other_side(void **state)
{
    struct twins t;
    twins_make(&t);
    write_both(&t, false, "bye\n", 4);
    file_put(t.slave);
    close(t.slave_fd);
    usleep(5000);
    assert_int_equal(poll_bits(file_poll(t.master, NULL)), native_poll(t.master_fd, POLLIN | POLLOUT));
    char c, line[8];
    assert_int_equal(get(t.master, line, 8), native(read(t.master_fd, line, 8)));
    assert_int_equal(get(t.master, line, 8), -EIO);
    assert_int_equal(native(read(t.master_fd, line, 8)), -EIO);
    assert_int_equal(poll_bits(file_poll(t.master, NULL)), native_poll(t.master_fd, POLLIN | POLLOUT));
    assert_int_equal(pts_open(t.v, 0, O_RDWR | O_NONBLOCK | O_NOCTTY, &t.slave), 0); /* back again */
    t.slave_fd = open(ptsname(t.master_fd), O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_int_equal(read_both(&t, true, 100), -EAGAIN);

    type_both(&t, "unread\n");
    assert_int_equal(pts_next(t.v, 0), 0);
    file_put(t.master);
    close(t.master_fd);
    assert_int_equal(pts_next(t.v, 0), -1);
    assert_int_equal(poll_bits(file_poll(t.slave, NULL)), native_poll(t.slave_fd, POLLIN | POLLOUT));
    assert_int_equal(get(t.slave, &c, 1), native(read(t.slave_fd, &c, 1)));
    assert_int_equal(give(t.slave, "x", 1), native(write(t.slave_fd, "x", 1)));
    struct termios2 any;
    assert_int_equal(control(t.slave, TCGETS, &any), native(ioctl(t.slave_fd, TCGETS, &any)));
    file_put(t.slave);
    close(t.slave_fd);
    vfs_free(t.v);
}

static void packets_tell_what_happened(void **state)
{
    struct twins t;
    int on = 1;
    twins_make(&t);
    assert_int_equal(control(t.master, TIOCPKT, &on), native(ioctl(t.master_fd, TIOCPKT, &on)));
    write_both(&t, false, "out\n", 4);
    same_state(&t);
    read_both(&t, true, 100);
    static const int flushes[] = {TCIFLUSH, TCOFLUSH, TCIOFLUSH};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(control(t.slave, TCFLSH, (void *)(uintptr_t)flushes[i]),
                         native(ioctl(t.slave_fd, TCFLSH, flushes[i])));
        settle(&t);
        same_state(&t);
        read_both(&t, true, 100);
    }
    static const int flows[] = {TCOOFF, TCOON, TCOOFF, TCOON};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(control(t.slave, TCXONC, (void *)(uintptr_t)flows[i]),
                         native(ioctl(t.slave_fd, TCXONC, flows[i])));
        settle(&t);
        read_both(&t, true, 100);
    }
    struct termios2 settings;
    control(t.slave, TCGETS2, &settings);
    settings.c_iflag &= ~(uint32_t)IXON;
    set_both(&t, &settings, TCSETS2);
    read_both(&t, true, 100);
    settings.c_iflag |= IXON;
    set_both(&t, &settings, TCSETS2);
    read_both(&t, true, 100);
    twins_end(&t);
}

static void output_waits_for_its_reader(void **state)
{
    struct vfs *v = test_vfs();
    struct file *master = ptmx_new(v, NULL, O_RDWR, NULL), *slave;
    static char block[100000];
    struct listener l;
    int zero = 0;
    control(master, TIOCSPTLCK, &zero);
    pts_open(v, 0, O_RDWR, &slave);
    memset(block, '\n', sizeof block);
    ssize_t taken = give(slave, block, sizeof block);
    assert_true(taken > 4096 && taken < 65536);
    assert_int_equal(give(slave, block, 1000), -EAGAIN);
    assert_int_equal(listen_to(&l, slave) & EPOLLOUT, 0);
    ssize_t got = 0, n;
    while ((n = get(master, block, 30000)) > 0)
        got += n;
    assert_int_equal(got, 2 * taken);
    assert_true(l.woken > 0);
    listen_end(&l);
    /* The other way: nobody reads what is typed. */
    struct termios2 raw = {.c_cflag = B38400, .c_cc = {[VMIN] = 1}};
    control(slave, TCSETS2, &raw);
    taken = give(master, block, sizeof block);
    assert_true(taken >= 65536 && taken < 75000);
    assert_int_equal(give(master, block, 1), -EAGAIN);
    for (got = 0; (n = get(slave, block, sizeof block)) > 0; got += n) {
    }
    assert_int_equal(got, taken);
    file_put(slave);
    file_put(master);
    vfs_free(v);
}

static void reads_with_a_time_limit(void **state)
{
    struct vfs *v = test_vfs();
    struct file *master = ptmx_new(v, NULL, O_RDWR, NULL), *slave;
    struct termios2 timed = {.c_cflag = B38400, .c_cc = {[VMIN] = 0, [VTIME] = 5}};
    char c[8];
    int zero = 0;
    control(master, TIOCSPTLCK, &zero);
    pts_open(v, 0, O_RDWR, &slave);
    assert_int_equal(tty_read_timeout(slave), -1); /* lines have no limit */
    control(slave, TCSETS2, &timed);
    assert_int_equal(tty_read_timeout(slave), 500000000);
    assert_int_equal(get(slave, c, 8), -EAGAIN);
    tty_read_expired(slave);
    assert_int_equal(get(slave, c, 8), 0);
    assert_int_equal(get(slave, c, 8), -EAGAIN);
    give(master, "a", 1);
    assert_int_equal(get(slave, c, 8), 1);
    timed.c_cc[VMIN] = 3;
    control(slave, TCSETS2, &timed);
    assert_int_equal(tty_read_timeout(slave), -1); /* the clock starts with the first byte */
    give(master, "bc", 2);
    assert_int_equal(tty_read_timeout(slave), 500000000);
    assert_int_equal(get(slave, c, 8), -EAGAIN);
    tty_read_expired(slave);
    assert_int_equal(get(slave, c, 8), 2);
    timed.c_cc[VMIN] = timed.c_cc[VTIME] = 0;
    control(slave, TCSETS2, &timed);
    assert_int_equal(get(slave, c, 8), 0);
    assert_int_equal(tty_read_timeout(master), -1);
    file_put(slave);
    file_put(master);
    vfs_free(v);
}

/* ---- job control: sessions and groups made up ---- */

struct processes {
    int32_t pgrp, session;
    bool leader, ignores, orphaned;
    void *controlling; /* of session 100 */
    char told[200];
};

static void tell(void *context, int32_t pgrp, int signal)
{
    struct processes *p = context;
    snprintf(p->told + strlen(p->told), sizeof p->told - strlen(p->told), "%d:%d ", pgrp, signal);
}

static int32_t pgrp_of(void *context)
{
    return ((struct processes *)context)->pgrp;
}

static int32_t session_of(void *context)
{
    return ((struct processes *)context)->session;
}

static bool leads(void *context)
{
    return ((struct processes *)context)->leader;
}

static bool ignores(void *context, int signal)
{
    return ((struct processes *)context)->ignores;
}

static bool in_session(void *context, int32_t pgrp, int32_t session)
{
    return pgrp / 100 == session / 100;
}

static bool orphaned(void *context, int32_t pgrp)
{
    return ((struct processes *)context)->orphaned;
}

static void controlling(void *context, int32_t session, void *tty)
{
    if (session == 100)
        ((struct processes *)context)->controlling = tty;
}

static void job_control(void **state)
{
    struct processes p = {.pgrp = 100, .session = 100, .leader = true};
    const struct tty_hooks hooks = {tell, pgrp_of, session_of, leads, ignores, in_session, orphaned, controlling, &p};
    struct vfs *v = test_vfs();
    struct file *master = ptmx_new(v, &hooks, O_RDWR | O_NOCTTY, NULL), *slave, *other;
    int32_t zero = 0, group = 101, stranger = 201, answer;
    char bytes[8];
    control(master, TIOCSPTLCK, &zero);
    pts_open(v, 0, O_RDWR | O_NOCTTY, &slave);
    assert_null(p.controlling);
    assert_int_equal(control(slave, TIOCGPGRP, &answer), -ENOTTY);
    assert_int_equal(control(slave, TIOCGSID, &answer), -ENOTTY);
    p.leader = false;
    assert_int_equal(control(slave, TIOCSCTTY, NULL), -EPERM);
    p.leader = true;
    assert_int_equal(control(slave, TIOCSCTTY, NULL), 0);
    assert_ptr_equal(p.controlling, file_tty(slave));
    assert_int_equal(control(slave, TIOCSCTTY, NULL), 0);
    control(slave, TIOCGPGRP, &answer);
    assert_int_equal(answer, 100);
    assert_int_equal(control(slave, TIOCSPGRP, &stranger), -EPERM);
    stranger = -1;
    assert_int_equal(control(slave, TIOCSPGRP, &stranger), -EINVAL);
    assert_int_equal(control(slave, TIOCSPGRP, &group), 0);
    control(master, TIOCGPGRP, &answer);
    assert_int_equal(answer, 101);
    control(slave, TIOCGSID, &answer);
    assert_int_equal(answer, 100);

    /* ^C and a resized window go to the foreground. */
    give(master, "\x03", 1);
    control(master, TIOCSWINSZ, &(struct winsize){1, 2, 3, 4});
    control(master, TIOCSWINSZ, &(struct winsize){1, 2, 3, 4});
    assert_string_equal(p.told, "101:2 101:28 ");
    p.told[0] = 0;

    /* The shell, now in the background. */
    assert_int_equal(get(slave, bytes, 8), -512);
    assert_string_equal(p.told, "100:21 ");
    p.told[0] = 0;
    assert_int_equal(give(slave, "x", 1), 1); /* no TOSTOP */
    struct termios2 settings;
    control(slave, TCGETS2, &settings);
    settings.c_lflag |= TOSTOP;
    assert_int_equal(control(slave, TCSETS2, &settings), -512);
    assert_int_equal(control(master, TCSETS2, &settings), 0);
    assert_string_equal(p.told, "100:22 ");
    p.told[0] = 0;
    assert_int_equal(give(slave, "x", 1), -512);
    p.ignores = true;
    assert_int_equal(give(slave, "x", 1), 1);
    assert_int_equal(get(slave, bytes, 8), -EIO);
    p.ignores = false;
    p.orphaned = true;
    assert_int_equal(give(slave, "x", 1), -EIO);
    assert_int_equal(control(slave, TIOCSPGRP, &group), -ENOTTY);
    p.orphaned = false;
    p.told[0] = 0;
    p.session = 300; /* another session may write, without a word about groups */
    p.pgrp = 300;
    assert_int_equal(give(slave, "x", 1), 1);
    assert_int_equal(control(slave, TIOCSCTTY, NULL), -EPERM);
    assert_int_equal(control(slave, TIOCNOTTY, NULL), -ENOTTY);
    assert_string_equal(p.told, "");
    p.session = p.pgrp = 100;

    /* The leader ends: everything open is hung up, the pair lives on. */
    tty_detach(p.controlling);
    assert_string_equal(p.told, "101:1 ");
    assert_null(p.controlling);
    assert_int_equal(get(slave, bytes, 8), 0);
    assert_int_equal(give(slave, "x", 1), -EIO);
    while (get(master, bytes, 8) > 0) {
    }
    assert_int_equal(get(master, bytes, 8), -EIO);
    assert_int_equal(pts_open(v, 0, O_RDWR, &other), 0); /* without O_NOCTTY it becomes the leader's */
    assert_ptr_equal(p.controlling, file_tty(other));
    file_put(slave);
    assert_int_equal(get(master, bytes, 8), -EAGAIN);
    struct file *again = tty_open(p.controlling, O_RDWR);
    assert_non_null(again);
    file_put(again);
    p.told[0] = 0;
    file_put(master);
    assert_string_equal(p.told, "100:1 100:18 ");
    assert_null(p.controlling);
    file_put(other);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_begin_as_the_kernels),     cmocka_unit_test(lines_are_edited),
        cmocka_unit_test(the_end_of_file_is_read_once),      cmocka_unit_test(a_line_too_long_is_cut),
        cmocka_unit_test(a_terminal_behaves_as_the_kernels), cmocka_unit_test(closing_is_heard_on_the_other_side),
        cmocka_unit_test(packets_tell_what_happened),        cmocka_unit_test(output_waits_for_its_reader),
        cmocka_unit_test(reads_with_a_time_limit),           cmocka_unit_test(job_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
