/* `replay --gdb`: gdb's remote serial protocol over a pipe (gdb's manual, "Remote Protocol"), of one process: the one whose event was
 * the last. Registers and memory are read and never written, and there is no step: `continue` goes on with the recorded run, to where
 * `monitor until` said, or to its end. */
#include "supervisor/inspect/gdb.h"

#include "supervisor/inspect/guest_memory.h"
#include "supervisor/inspect/inner.h"
#include "supervisor/inspect/python_stack.h"
#include "supervisor/replaying.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PACKET_MOST = 16 << 10, READ_MOST = 4096 };

struct gdb {
    struct inspection *inspection;
    struct holder *h;
    int out;
    struct process *process; /* NULL: it ended */
    int32_t thread;          /* the one that is asked about */
    char packet[PACKET_MOST + 1];
    char reply[PACKET_MOST + 1];
    size_t reply_size;
    bool leaves, goes_on;
};

/* ---- packets ------------------------------------------------------------------------------------------------------------------ */

static bool put_all(const struct gdb *g, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(g->out, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static bool send_packet(struct gdb *g, const char *bytes, size_t n)
{
    uint8_t sum = 0;
    char frame[8], answer;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + (uint8_t)bytes[i]);
    snprintf(frame, sizeof frame, "#%02x", sum);
    do {
        if (!put_all(g, "$", 1) || !put_all(g, bytes, n) || !put_all(g, frame, 3))
            return false;
        if (g->inspection->no_ack)
            return true;
        if (!inspect_get(g->inspection, g->h, &answer))
            return false;
    } while (answer == '-');
    return true;
}

/* The next packet's text, in g->packet. False: gdb is gone. What is too long comes as an empty one, which no command is. */
static bool receive_packet(struct gdb *g)
{
    char c;
    size_t n = 0;
    do
        if (!inspect_get(g->inspection, g->h, &c))
            return false;
    while (c != '$'); /* acknowledgements, and ^C of somebody who is stopped already */
    while (inspect_get(g->inspection, g->h, &c) && c != '#')
        if (n < PACKET_MOST)
            g->packet[n++] = c;
    g->packet[n < PACKET_MOST ? n : 0] = '\0';
    for (int i = 0; i < 2; i++) /* its sum: a pipe loses nothing */
        if (!inspect_get(g->inspection, g->h, &c))
            return false;
    return g->inspection->no_ack || put_all(g, "+", 1);
}

__attribute__((format(printf, 2, 3))) static void say(struct gdb *g, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(g->reply, sizeof g->reply, format, list);
    va_end(list);
    g->reply_size = n < 0 ? 0 : (size_t)n < sizeof g->reply ? (size_t)n : sizeof g->reply - 1;
}

static void say_hex(struct gdb *g, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < n && g->reply_size + 2 < sizeof g->reply; i++) {
        g->reply[g->reply_size++] = digits[from[i] >> 4];
        g->reply[g->reply_size++] = digits[from[i] & 15];
    }
}

/* ---- who ------------------------------------------------------------------------------------------------------------------------- */

static struct task *find_thread(const struct gdb *g, int32_t tid)
{
    for (struct task *t = g->process != NULL ? g->process->threads : NULL; t != NULL; t = t->next_thread)
        if (t->tid == tid)
            return t;
    return NULL;
}

static struct tracee *standing(const struct gdb *g, int32_t tid)
{
    const struct task *t = find_thread(g, tid);
    struct tracee *tracee = t != NULL ? t->machine : NULL;
    return tracee != NULL && tracee->where != TRACEE_RUNNING && tracee->where != TRACEE_GONE ? tracee : NULL;
}

static void choose(struct gdb *g)
{
    struct world *w = g->h->world;
    struct task *t = task_find(w, replaying_tid(w->again));
    for (struct process *p = w->processes; t == NULL && p != NULL; p = p->next)
        if (guest_stopped(p) != NULL)
            t = p->threads;
    g->process = t != NULL && guest_stopped(t->process) != NULL ? t->process : NULL;
    g->thread = g->process != NULL ? t->tid : 0;
}

static void say_where(struct gdb *g)
{
    const struct world *w = g->h->world;
    if (g->process != NULL && replaying_stopped(w->again))
        say(g, "T05thread:%x;", (unsigned)g->thread);
    else if (WIFSIGNALED(w->init_status))
        say(g, "X%02x", (unsigned)WTERMSIG(w->init_status));
    else
        say(g, "W%02x", (unsigned)WEXITSTATUS(w->init_status));
}

/* ---- answers --------------------------------------------------------------------------------------------------------------------- */

static void answer_registers(struct gdb *g)
{
    uint8_t bytes[GDB_REGISTERS];
    struct tracee *t = standing(g, g->thread);
    size_t n = t != NULL ? gdb_registers(t, bytes) : 0;
    say(g, n == 0 ? "E01" : "%s", "");
    say_hex(g, bytes, n);
}

static void answer_memory(struct gdb *g)
{
    uint8_t bytes[READ_MOST];
    char *end;
    uint64_t address = strtoull(g->packet + 1, &end, 16), n = *end == ',' ? strtoull(end + 1, NULL, 16) : 0;
    struct tracee *t = g->process != NULL ? guest_stopped(g->process) : NULL;
    ssize_t got = t != NULL ? tracee_read(t, address, bytes, n < sizeof bytes ? (size_t)n : sizeof bytes) : -1;
    say(g, got <= 0 ? "E0e" : "%s", "");
    say_hex(g, bytes, got > 0 ? (size_t)got : 0);
}

/* A stretch of an object: m, or l when it is the last; binary, with }, # , $ and * escaped. */
static void answer_object(struct gdb *g, const char *range, const void *object, size_t size)
{
    char *end;
    uint64_t from = strtoull(range, &end, 16), n = *end == ',' ? strtoull(end + 1, NULL, 16) : 0;
    const char *bytes = object;
    if (from > size)
        from = size;
    if (n > size - from)
        n = size - from;
    say(g, "%s", "m");
    uint64_t at = from;
    for (; at < from + n && g->reply_size + 2 < PACKET_MOST; at++) {
        bool escaped = bytes[at] != '\0' && strchr("}#$*", bytes[at]) != NULL;
        if (escaped)
            g->reply[g->reply_size++] = '}';
        g->reply[g->reply_size++] = escaped ? (char)(bytes[at] ^ 0x20) : bytes[at];
    }
    g->reply[0] = at == size ? 'l' : 'm';
}

static void answer_threads(struct gdb *g)
{
    say(g, "%s", "");
    for (struct task *t = g->process != NULL ? g->process->threads : NULL;
         t != NULL && g->reply_size < PACKET_MOST - 16; t = t->next_thread)
        if (standing(g, t->tid) != NULL)
            g->reply_size += (size_t)snprintf(g->reply + g->reply_size, sizeof g->reply - g->reply_size, "%c%x",
                                              g->reply_size == 0 ? 'm' : ',', (unsigned)t->tid);
    if (g->reply_size == 0)
        say(g, "l");
}

static void answer_name(struct gdb *g, int32_t tid)
{
    const struct task *t = find_thread(g, tid);
    say(g, t != NULL ? "%s" : "E01", "");
    if (t != NULL)
        say_hex(g, t->comm, strnlen(t->comm, sizeof t->comm));
}

/* ---- monitor ----------------------------------------------------------------------------------------------------------------------- */

static void monitor(struct gdb *g, const char *hex)
{
    char line[256], *text = NULL;
    size_t n = 0, size = 0;
    for (unsigned byte; n + 1 < sizeof line && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        line[n] = (char)byte;
    line[n] = '\0';
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        say(g, "E0c");
        return;
    }
    if (strncmp(line, "until ", 6) == 0) {
        g->goes_on = inspect_go_on(g->h, line + 6, out);
        fputs(g->goes_on ? "`continue` goes there\n" : "", out);
    } else if (strcmp(line, "stack") == 0) {
        python_stacks(g->h->world, out);
    } else if (strcmp(line, "maps") == 0) {
        inspect_maps(g->h->world, out);
    } else if (strcmp(line, "where") == 0) {
        inspect_where(g->h, out);
    } else {
        fputs("monitor until WHERE: where `continue` goes to: an event's number, a time (1.5s), or CALL#N\n"
              "monitor stack: the Python stack of every thread\nmonitor maps, monitor where\n",
              out);
    }
    (void)fclose(out);
    for (size_t at = 0; at < size; at += READ_MOST) {
        say(g, "O");
        say_hex(g, text + at, size - at < READ_MOST ? size - at : READ_MOST);
        (void)send_packet(g, g->reply, g->reply_size);
    }
    free(text);
    say(g, "OK");
}

/* ---- the conversation ------------------------------------------------------------------------------------------------------------- */

static const char *behind(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static void answer_question(struct gdb *g)
{
    const char *rest, *q = g->packet;
    const struct mm *mm = g->process != NULL ? g->process->threads->mm : NULL;
    if (behind(q, "qSupported") != NULL)
        say(g, "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+", PACKET_MOST - 1);
    else if ((rest = behind(q, "qXfer:features:read:target.xml:")) != NULL)
        answer_object(g, rest, gdb_description, strlen(gdb_description));
    else if ((rest = behind(q, "qXfer:auxv:read::")) != NULL && mm != NULL)
        answer_object(g, rest, mm->auxv, mm->auxv_words * sizeof mm->auxv[0]);
    else if (strcmp(q, "qfThreadInfo") == 0)
        answer_threads(g);
    else if (strcmp(q, "qsThreadInfo") == 0)
        say(g, "l");
    else if ((rest = behind(q, "qThreadExtraInfo,")) != NULL)
        answer_name(g, (int32_t)strtol(rest, NULL, 16));
    else if (strcmp(q, "qC") == 0)
        say(g, "QC%x", (unsigned)g->thread);
    else if (behind(q, "qAttached") != NULL)
        say(g, "1");
    else if ((rest = behind(q, "qRcmd,")) != NULL)
        monitor(g, rest);
}

static void go_on(struct gdb *g)
{
    if (!g->goes_on && !inspect_go_to_end(g->h)) {
        say_where(g);
        return;
    }
    g->inspection->gdb_waits = g->goes_on = g->leaves = true;
}

static void obey(struct gdb *g)
{
    const char *p = g->packet;
    int32_t tid;
    say(g, "%s", ""); /* what is not known here is answered so */
    switch (*p) {
    case '?':
        say_where(g);
        break;
    case 'g':
        answer_registers(g);
        break;
    case 'm':
        answer_memory(g);
        break;
    case 'G':
    case 'M':
    case 'P':
    case 'X':
        say(g, "E01"); /* what was recorded is not changed */
        break;
    case 'H':
        tid = (int32_t)strtol(p + (p[1] != '\0' ? 2 : 1), NULL, 16);
        if (find_thread(g, tid) != NULL)
            g->thread = tid;
        say(g, tid <= 0 || g->thread == tid ? "OK" : "E01");
        break;
    case 'T':
        say(g, standing(g, (int32_t)strtol(p + 1, NULL, 16)) != NULL ? "OK" : "E01");
        break;
    case 'q':
        answer_question(g);
        break;
    case 'Q':
        if (strcmp(p, "QStartNoAckMode") == 0)
            say(g, "OK");
        break;
    case 'c':
        go_on(g);
        break;
    case 's':
        say_where(g); /* it stays: no instruction is executed for gdb */
        break;
    case 'D':
        say(g, "OK");
        g->leaves = true;
        break;
    case 'k':
        g->leaves = true;
        break;
    default:
        break;
    }
}

bool inspect_gdb(struct inspection *i, struct holder *h)
{
    struct gdb *g = calloc(1, sizeof *g);
    if (g == NULL)
        return false;
    g->inspection = i;
    g->h = h;
    g->out = fileno(i->request.out);
    choose(g);
    bool there = true;
    if (i->gdb_waits) {
        i->gdb_waits = false;
        say_where(g);
        there = send_packet(g, g->reply, g->reply_size);
    }
    while (there && !g->leaves && receive_packet(g)) {
        obey(g);
        if (!(g->leaves && (g->goes_on || *g->packet == 'k')))
            there = send_packet(g, g->reply, g->reply_size);
        if (strcmp(g->packet, "QStartNoAckMode") == 0)
            i->no_ack = true;
    }
    bool goes_on = there && g->leaves && g->goes_on;
    free(g);
    return goes_on;
}
