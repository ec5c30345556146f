/* `service: ftp`: anybody may log in; what is uploaded is kept, and can be fetched and listed again on the same connection
 * (RFC 959, 2428, 3659), within TLS if it likes (RFC 4217). For data the guest connects to the same address at a port that is told, which
 * the network expects (contents_expected), or listens where it says, and is connected to. */
#include "network/lines.h"
#include "network/tls.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILE = 64 << 20, MOST_FILES = 1000, MOST_PATH = 512 };

struct ftp_data;

struct ftp {
    struct lines lines;
    struct sockaddr_storage address; /* where the guest reached us */
    char directory[MOST_PATH];
    char renamed[MOST_PATH];
    struct stored {
        struct stored *next;
        char path[MOST_PATH];
        struct buffer bytes;
    } * files;
    size_t file_count;
    struct ftp_data *data; /* expected or standing; NULL */
    /* what the data connection is for, once a command has said it */
    enum { IDLE, STORE, SEND } job;
    const char *job_command;
    char job_path[MOST_PATH];
    struct buffer sending;
    bool append;
    struct sockaddr_storage active; /* where the guest listens for the next data connection; AF_UNSPEC: nowhere */
    bool secure, protected;         /* TLS here; on data connections */
    char host[256];                 /* whom the guest takes us for */
};

struct ftp_data {
    struct far_end end;
    struct contents *contents;
    struct ftp *control; /* NULL: it is gone */
    struct expected expected;
    bool standing, finished, told;
    bool arriving;     /* it is connecting to the guest: what it is for is known, whose it is not yet */
    struct buffer got; /* of an upload */
};

static struct ftp *of(struct lines *l)
{
    return (struct ftp *)l;
}

static struct stored *find(struct ftp *f, const char *path)
{
    struct stored *s = f->files;
    while (s != NULL && strcmp(s->path, path) != 0)
        s = s->next;
    return s;
}

/* The absolute path a word means, "." and ".." taken away. */
static void resolve(const struct ftp *f, const char *word, char out[MOST_PATH])
{
    char all[2 * MOST_PATH + 2], *save = NULL;
    snprintf(all, sizeof all, "%s/%.*s", word[0] == '/' ? "" : f->directory, MOST_PATH - 1, word);
    size_t n = 0;
    out[0] = '\0';
    for (char *c = strtok_r(all, "/", &save); c != NULL; c = strtok_r(NULL, "/", &save)) {
        if (strcmp(c, ".") == 0)
            continue;
        if (strcmp(c, "..") == 0) {
            char *slash = strrchr(out, '/');
            n = slash != NULL ? (size_t)(slash - out) : 0;
            out[n] = '\0';
        } else if (n + strlen(c) + 2 < MOST_PATH) {
            n += (size_t)snprintf(out + n, MOST_PATH - n, "/%s", c);
        }
    }
    if (n == 0)
        memcpy(out, "/", 2);
}

/* ---- the data connection ------------------------------------------------------------------------------------------------- */

static struct stored *new_stored(struct ftp *f)
{
    struct account *a = &f->lines.contents->account;
    if (f->file_count == MOST_FILES || !account_take(a, sizeof(struct stored)))
        return NULL;
    struct stored *s = calloc(1, sizeof *s);
    if (s == NULL)
        a->used -= sizeof *s;
    return s;
}

static void free_stored(struct ftp *f, struct stored *s)
{
    buffer_clear(&s->bytes);
    free(s);
    f->lines.contents->account.used -= sizeof *s;
    f->file_count--;
}

static void store(struct ftp *f, struct ftp_data *d)
{
    struct stored *s = find(f, f->job_path);
    if (s == NULL && (s = new_stored(f)) != NULL) {
        memcpy(s->path, f->job_path, sizeof s->path);
        buffer_init(&s->bytes, &f->lines.contents->account, MOST_FILE);
        s->next = f->files;
        f->files = s;
        f->file_count++;
    }
    const struct kept k = {"upload", f->job_path, "", d->got.size > 0 ? buffer_bytes(&d->got) : "", d->got.size};
    CONVERSATION_TELL(f->lines.conversation, kept, &k);
    if (s == NULL)
        return;
    if (!f->append)
        buffer_clear(&s->bytes);
    buffer_add(&s->bytes, k.bytes, k.size);
}

static void job_done(struct ftp *f)
{
    f->job = IDLE;
    f->data = NULL;
    buffer_clear(&f->sending);
    lines_say(&f->lines, "226 Transfer complete");
    lines_go_on(&f->lines);
}

static void tell_what_it_serves(struct ftp_data *d)
{
    char what[MOST_PATH + 8];
    if (d->told)
        return;
    d->told = true;
    snprintf(what, sizeof what, "%s %s", d->control->job_command, d->control->job_path);
    CONVERSATION_TELL(d->expected.met, serves, what);
}

/* Both have come, the connection and the command: what can be done now? */
static void work(struct ftp_data *d)
{
    struct ftp *f = d->control;
    if (f == NULL || !d->standing || d->arriving || f->job == IDLE)
        return;
    tell_what_it_serves(d);
    if (f->job == SEND) {
        if (f->sending.size > 0)
            buffer_drop(&f->sending, far_send(&d->end, buffer_bytes(&f->sending), f->sending.size));
        if (f->sending.size > 0)
            return;
        d->control = NULL;
        far_finish(&d->end);
        job_done(f);
    } else if (d->finished) {
        store(f, d);
        d->control = NULL;
        buffer_clear(&d->got);
        far_finish(&d->end);
        job_done(f);
    }
}

static struct ftp_data *data_of(struct far_end *e)
{
    return (struct ftp_data *)e;
}

static void data_opened(struct far_end *e)
{
    data_of(e)->standing = true;
    work(data_of(e));
}

static size_t data_received(struct far_end *e, const void *bytes, size_t n)
{
    buffer_add(&data_of(e)->got, bytes, n); /* beyond the limit it is not kept; the capture has it */
    return n;
}

static void data_finished(struct far_end *e)
{
    struct ftp_data *d = data_of(e);
    d->finished = true;
    if (d->control == NULL)
        far_finish(e);
    else
        work(d);
}

static void data_room(struct far_end *e)
{
    work(data_of(e));
}

static void data_gone(struct far_end *e)
{
    struct ftp_data *d = data_of(e);
    struct ftp *f = d->control;
    if (f != NULL) {
        f->data = NULL;
        if (f->job != IDLE) {
            f->job = IDLE;
            buffer_clear(&f->sending);
            lines_say(&f->lines, "426 Connection closed; transfer aborted");
            lines_go_on(&f->lines);
        }
    }
    expect_cancel(d->contents, &d->expected);
    buffer_clear(&d->got);
    d->contents->ends--;
    free(d);
}

static const struct far_end_ops data_ops = {
    .opened = data_opened, .received = data_received, .finished = data_finished, .room = data_room, .gone = data_gone};

/* Nobody has come to it yet, and nobody will. */
static void drop_data(struct ftp *f)
{
    struct ftp_data *d = f->data;
    f->data = NULL;
    if (d == NULL)
        return;
    d->control = NULL;
    if (d->expected.waiting)
        data_gone(&d->end);
    else
        far_reset(&d->end);
}

static struct ftp_data *new_data(struct ftp *f)
{
    drop_data(f);
    struct ftp_data *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->end.ops = &data_ops;
    d->contents = f->lines.contents;
    d->control = f;
    buffer_init(&d->got, &d->contents->account, MOST_FILE);
    d->contents->ends++;
    d->expected.host = f->protected ? f->host : NULL;
    f->data = d;
    return d;
}

static uint16_t expect_data(struct ftp *f)
{
    struct ftp_data *d = new_data(f);
    f->active.ss_family = AF_UNSPEC;
    uint16_t port = d != NULL ? expect(d->contents, &d->expected, &f->address, &d->end, f->lines.conversation) : 0;
    if (d != NULL && port == 0)
        data_gone(&d->end);
    return port;
}

/* To where the guest said that it listens. */
static void connect_data(struct ftp *f)
{
    const struct sockaddr_storage to = f->active;
    struct ftp_data *d = new_data(f);
    f->active.ss_family = AF_UNSPEC;
    if (d == NULL)
        return;
    d->arriving = true;
    if (arrive(d->contents, &d->expected, &to, &f->address, &d->end, f->lines.conversation) == 0)
        d->arriving = false; /* else it is gone, and f->data with it */
}

static void begin_job(struct ftp *f, int job, const char *command)
{
    bool active = f->active.ss_family != AF_UNSPEC;
    if (active)
        connect_data(f);
    if (f->data == NULL) {
        buffer_clear(&f->sending);
        lines_say(&f->lines, active ? "425 Nobody listens there" : "425 Use PORT, PASV or their like first");
        return;
    }
    f->job = job;
    f->job_command = command;
    lines_say(&f->lines, "150 Here it comes");
    f->lines.waiting = true; /* the next command is read when this one is through */
    work(f->data);
}

/* ---- commands ------------------------------------------------------------------------------------------------------------- */

static void passive(struct ftp *f, bool extended)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&f->address;
    if (!extended && in->sin_family != AF_INET) {
        lines_say(&f->lines, "522 Use EPSV");
        return;
    }
    uint16_t port = expect_data(f);
    if (port == 0)
        lines_say(&f->lines, "421 No port is free");
    else if (extended)
        lines_say(&f->lines, "229 Entering Extended Passive Mode (|||%u|)", port);
    else {
        const unsigned char *a = (const unsigned char *)&in->sin_addr;
        lines_say(&f->lines, "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)", a[0], a[1], a[2], a[3], port >> 8,
                  port & 255);
    }
}

/* 127,0,0,1,200,10 */
static void port(struct ftp *f, const char *text)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&f->active;
    unsigned n[6];
    int end = 0;
    bool good = sscanf(text, "%3u,%3u,%3u,%3u,%3u,%3u%n", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &end) == 6 &&
                text[end] == '\0';
    for (size_t i = 0; good && i < 6; i++)
        good = n[i] < 256;
    drop_data(f);
    f->active = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    if (good) {
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3]);
        in->sin_port = htons((uint16_t)(n[4] << 8 | n[5]));
    }
    lines_say(&f->lines, good ? "200 There it will be" : "501 Six numbers up to 255");
}

/* |2|fd00::5|5000| (RFC 2428); what is between the bars could be any character. */
static void extended_port(struct ftp *f, const char *text)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&f->active;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&f->active;
    char bar = text[0], address[INET6_ADDRSTRLEN], *end = NULL;
    const char *at = bar != '\0' ? strchr(text + 1, bar) : NULL, *after = at != NULL ? strchr(at + 1, bar) : NULL;
    unsigned long number = after != NULL ? strtoul(after + 1, &end, 10) : 0;
    size_t n = after != NULL ? (size_t)(after - at - 1) : sizeof address;
    int family = text[0] != '\0' && text[1] == '1' ? AF_INET : text[0] != '\0' && text[1] == '2' ? AF_INET6 : AF_UNSPEC;
    drop_data(f);
    f->active = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    if (family == AF_UNSPEC || at != text + 2) {
        lines_say(&f->lines, "522 Network protocol not supported, use (1,2)");
        return;
    }
    if (n >= sizeof address || number == 0 || number > UINT16_MAX || *end != bar || end[1] != '\0') {
        lines_say(&f->lines, "501 As in |2|fd00::5|5000|");
        return;
    }
    memcpy(address, at + 1, n);
    address[n] = '\0';
    bool good = inet_pton(family, address, family == AF_INET ? (void *)&in->sin_addr : &in6->sin6_addr) == 1;
    if (good) {
        f->active.ss_family = (sa_family_t)family;
        in->sin_port = htons((uint16_t)number); /* at the same place in both */
    }
    lines_say(&f->lines, good ? "200 There it will be" : "501 That is no address");
}

static void secure(struct ftp *f, const char *how)
{
    struct lines *l = &f->lines;
    if (f->secure || (strcasecmp(how, "TLS") != 0 && strcasecmp(how, "SSL") != 0)) {
        lines_say(l, f->secure ? "503 It is within TLS already" : "504 TLS is what there is");
        return;
    }
    lines_say(l, "234 Go on");
    f->secure = true;
    buffer_clear(&l->in); /* nothing said in the clear counts any more */
    far_send(&l->end, buffer_bytes(&l->out), l->out.size);
    buffer_clear(&l->out);
    tls_begin(&l->end);
}

static void list(struct ftp *f, bool names)
{
    memcpy(f->job_path, f->directory, sizeof f->job_path);
    buffer_clear(&f->sending);
    for (const struct stored *s = f->files; s != NULL; s = s->next) {
        const char *name = strrchr(s->path, '/') + 1;
        size_t n = (size_t)(name - s->path);
        bool here = strcmp(f->directory, "/") == 0
                        ? n == 1
                        : n == strlen(f->directory) + 1 && strncmp(s->path, f->directory, n - 1) == 0;
        if (here && names)
            buffer_format(&f->sending, "%s\r\n", name);
        else if (here)
            buffer_format(&f->sending, "-rw-r--r-- 1 ftp ftp %zu Jan 01 00:00 %s\r\n", s->bytes.size, name);
    }
    begin_job(f, SEND, names ? "NLST" : "LIST");
}

static void retrieve(struct ftp *f, const char *word)
{
    resolve(f, word, f->job_path);
    const struct stored *s = find(f, f->job_path);
    if (s == NULL) {
        lines_say(&f->lines, "550 No such file");
        return;
    }
    buffer_clear(&f->sending);
    if (s->bytes.size > 0)
        buffer_add(&f->sending, buffer_bytes(&s->bytes), s->bytes.size);
    begin_job(f, SEND, "RETR");
}

static void size_of(struct ftp *f, const char *word)
{
    char path[MOST_PATH];
    resolve(f, word, path);
    const struct stored *s = find(f, path);
    if (s != NULL)
        lines_say(&f->lines, "213 %zu", s->bytes.size);
    else
        lines_say(&f->lines, "550 No such file");
}

static void rename_to(struct ftp *f, const char *word)
{
    struct stored *s = find(f, f->renamed);
    if (s != NULL)
        resolve(f, word, s->path);
    lines_say(&f->lines, s != NULL ? "250 Renamed" : "550 No such file");
}

static void delete (struct ftp *f, const char *word)
{
    char path[MOST_PATH];
    resolve(f, word, path);
    for (struct stored **at = &f->files; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->path, path) == 0) {
            struct stored *s = *at;
            *at = s->next;
            free_stored(f, s);
            break;
        }
    lines_say(&f->lines, "250 Deleted");
}

static void line(struct lines *l, char *text, size_t n)
{
    struct ftp *f = of(l);
    char c[8], *rest;
    lines_command(text, c, sizeof c, &rest);
    const struct {
        const char *command, *answer;
    } fixed[] = {
        {"USER", "331 Any password will do"},
        {"PASS", "230 Logged in"},
        {"ACCT", "230 Logged in"},
        {"SYST", "215 UNIX Type: L8"},
        {"NOOP", "200 Ok"},
        {"TYPE", "200 Type set"},
        {"MODE", "200 Mode set"},
        {"STRU", "200 Structure set"},
        {"OPTS", "200 Ok"},
        {"RMD", "250 Removed"},
        {"SITE", "200 Ok"},
        {"ABOR", "226 Nothing to abort"},
        {"ALLO", "202 Not needed"},
        {"PBSZ", "200 PBSZ=0"},
        {"REST", "350 Restarting at 0"},
        {"HELP", "214 RFC 959"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(c, fixed[i].command) == 0) {
            lines_say(l, "%s", fixed[i].answer);
            return;
        }
    if (strcmp(c, "FEAT") == 0) {
        lines_say(l, "211-Features:");
        lines_say(l, " AUTH TLS");
        lines_say(l, " EPRT");
        lines_say(l, " EPSV");
        lines_say(l, " PBSZ");
        lines_say(l, " PROT");
        lines_say(l, " SIZE");
        lines_say(l, " UTF8");
        lines_say(l, "211 End");
    } else if (strcmp(c, "PWD") == 0 || strcmp(c, "XPWD") == 0) {
        lines_say(l, "257 \"%s\"", f->directory);
    } else if (strcmp(c, "CWD") == 0 || strcmp(c, "CDUP") == 0) {
        char to[MOST_PATH];
        resolve(f, c[1] == 'D' ? ".." : rest, to);
        memcpy(f->directory, to, sizeof f->directory);
        lines_say(l, "250 %s", f->directory);
    } else if (strcmp(c, "MKD") == 0) {
        char to[MOST_PATH];
        resolve(f, rest, to);
        lines_say(l, "257 \"%s\" created", to);
    } else if (strcmp(c, "PASV") == 0 || strcmp(c, "EPSV") == 0) {
        passive(f, c[0] == 'E');
    } else if (strcmp(c, "PORT") == 0) {
        port(f, rest);
    } else if (strcmp(c, "EPRT") == 0) {
        extended_port(f, rest);
    } else if (strcmp(c, "AUTH") == 0) {
        secure(f, rest);
    } else if (strcmp(c, "PROT") == 0) {
        f->protected = f->secure && strcasecmp(rest, "P") == 0;
        lines_say(l, f->protected || strcasecmp(rest, "C") == 0 ? "200 So be it"
                     : f->secure                                ? "536 P or C"
                                                                : "503 AUTH TLS first");
    } else if (strcmp(c, "LIST") == 0 || strcmp(c, "NLST") == 0) {
        list(f, c[0] == 'N');
    } else if (strcmp(c, "STOR") == 0 || strcmp(c, "APPE") == 0) {
        resolve(f, rest, f->job_path);
        f->append = c[0] == 'A';
        begin_job(f, STORE, f->append ? "APPE" : "STOR");
    } else if (strcmp(c, "RETR") == 0) {
        retrieve(f, rest);
    } else if (strcmp(c, "SIZE") == 0) {
        size_of(f, rest);
    } else if (strcmp(c, "DELE") == 0) {
        delete (f, rest);
    } else if (strcmp(c, "RNFR") == 0) {
        resolve(f, rest, f->renamed);
        lines_say(l, find(f, f->renamed) != NULL ? "350 And to?" : "550 No such file");
    } else if (strcmp(c, "RNTO") == 0) {
        rename_to(f, rest);
    } else if (strcmp(c, "QUIT") == 0) {
        lines_say(l, "221 Bye");
        lines_close(l);
    } else {
        lines_say(l, "502 Command not implemented");
    }
}

static void opened(struct lines *l)
{
    lines_say(l, "220 FTP");
}

static void release(struct lines *l)
{
    struct ftp *f = of(l);
    f->job = IDLE;
    drop_data(f);
    for (struct stored *s = f->files, *next; s != NULL; s = next) {
        next = s->next;
        free_stored(f, s);
    }
    buffer_clear(&f->sending);
    free(f);
}

static const struct lines_ops ops = {.opened = opened, .line = line, .free = release};

struct far_end *ftp_new(struct contents *cs, const struct content_peer *peer)
{
    struct ftp *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    lines_init(&f->lines, &ops, cs, peer);
    buffer_init(&f->sending, &cs->account, MOST_FILE);
    memcpy(f->directory, "/", 2);
    f->secure = peer->tls;
    snprintf(f->host, sizeof f->host, "%s", peer->host != NULL ? peer->host : "");
    if (peer->to != NULL)
        f->address = *peer->to;
    return &f->lines.end;
}
