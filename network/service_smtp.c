/* `service: smtp`: takes every mail from anybody to anybody, and keeps it whole (RFC 5321; STARTTLS, RFC 3207; AUTH, RFC
 * 4954: any name and password will do). */
#include "network/lines.h"

#include "network/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_MAIL = 32 << 20, MOST_RECIPIENTS = 100, MOST_ADDRESS = 320 };

struct smtp {
    struct lines lines;
    char from[MOST_ADDRESS];
    char to[MOST_RECIPIENTS][MOST_ADDRESS];
    size_t recipients;
    bool mail, secure;
    enum { NO_AUTH, AUTH_PLAIN, AUTH_NAME, AUTH_PASSWORD } auth;
    struct buffer text;
    int ending; /* how far "CRLF . CRLF" has come: 2: at a line's start; 3: a dot there; 4: a CR behind it */
    bool too_large;
};

static struct smtp *of(struct lines *l)
{
    return (struct smtp *)l;
}

static void forget_mail(struct smtp *s)
{
    s->mail = false;
    s->recipients = 0;
    s->too_large = false;
    buffer_clear(&s->text);
}

/* "FROM:<a@b> SIZE=5" or "TO: a@b". */
static bool read_address(const char *text, const char *word, char to[MOST_ADDRESS])
{
    size_t n = strlen(word);
    if (strncasecmp(text, word, n) != 0 || text[n] != ':')
        return false;
    text += n + 1;
    text += strspn(text, " ");
    size_t size = *text == '<' ? strcspn(++text, ">") : strcspn(text, " ");
    if (size >= MOST_ADDRESS)
        return false;
    memcpy(to, text, size);
    to[size] = '\0';
    return true;
}

static void say_hello(struct smtp *s, bool extended, const char *who)
{
    struct lines *l = &s->lines;
    forget_mail(s);
    if (!extended) {
        lines_say(l, "250 Hello %.200s", who);
        return;
    }
    lines_say(l, "250-Hello %.200s", who);
    lines_say(l, "250-SIZE %d", MOST_MAIL);
    lines_say(l, "250-8BITMIME");
    lines_say(l, "250-SMTPUTF8");
    lines_say(l, "250-PIPELINING");
    if (!s->secure)
        lines_say(l, "250-STARTTLS");
    lines_say(l, "250-AUTH PLAIN LOGIN");
    lines_say(l, "250 HELP");
}

static void authenticate(struct smtp *s, char *rest)
{
    struct lines *l = &s->lines;
    char how[16], *initial;
    lines_command(rest, how, sizeof how, &initial);
    if (strcmp(how, "PLAIN") == 0 && *initial == '\0') {
        s->auth = AUTH_PLAIN;
        lines_say(l, "334 ");
    } else if (strcmp(how, "LOGIN") == 0) {
        s->auth = *initial == '\0' ? AUTH_NAME : AUTH_PASSWORD;
        lines_say(l, *initial == '\0' ? "334 VXNlcm5hbWU6" : "334 UGFzc3dvcmQ6");
    } else if (strcmp(how, "PLAIN") == 0) {
        lines_say(l, "235 2.7.0 Authentication successful");
    } else {
        lines_say(l, "504 5.5.4 Unrecognized authentication type");
    }
}

static void go_on_authenticating(struct smtp *s, const char *line)
{
    if (strcmp(line, "*") == 0) {
        s->auth = NO_AUTH;
        lines_say(&s->lines, "501 5.7.0 Authentication cancelled");
    } else if (s->auth == AUTH_NAME) {
        s->auth = AUTH_PASSWORD;
        lines_say(&s->lines, "334 UGFzc3dvcmQ6");
    } else {
        s->auth = NO_AUTH;
        lines_say(&s->lines, "235 2.7.0 Authentication successful");
    }
}

static void add_recipient(struct smtp *s, const char *rest)
{
    if (!s->mail)
        lines_say(&s->lines, "503 5.5.1 MAIL first");
    else if (s->recipients == MOST_RECIPIENTS)
        lines_say(&s->lines, "452 4.5.3 Too many recipients");
    else if (!read_address(rest, "TO", s->to[s->recipients]))
        lines_say(&s->lines, "501 5.5.4 Syntax: RCPT TO:<address>");
    else {
        s->recipients++;
        lines_say(&s->lines, "250 2.1.5 Ok");
    }
}

static void line(struct lines *l, char *text, size_t n)
{
    struct smtp *s = of(l);
    char command[16], *rest;
    if (s->auth != NO_AUTH)
        return go_on_authenticating(s, text);
    lines_command(text, command, sizeof command, &rest);
    if (strcmp(command, "HELO") == 0 || strcmp(command, "EHLO") == 0) {
        say_hello(s, command[0] == 'E', rest);
    } else if (strcmp(command, "STARTTLS") == 0 && !s->secure) {
        lines_say(l, "220 2.0.0 Ready to start TLS");
        forget_mail(s);
        s->secure = true;
        buffer_clear(&l->in); /* nothing said in the clear counts any more */
        far_send(&l->end, buffer_bytes(&l->out), l->out.size);
        buffer_clear(&l->out);
        tls_begin(&l->end);
    } else if (strcmp(command, "AUTH") == 0) {
        authenticate(s, rest);
    } else if (strcmp(command, "MAIL") == 0) {
        forget_mail(s);
        s->mail = read_address(rest, "FROM", s->from);
        lines_say(l, s->mail ? "250 2.1.0 Ok" : "501 5.5.4 Syntax: MAIL FROM:<address>");
    } else if (strcmp(command, "RCPT") == 0) {
        add_recipient(s, rest);
    } else if (strcmp(command, "DATA") == 0) {
        l->raw = s->recipients > 0;
        s->ending = 2;
        lines_say(l, l->raw ? "354 End data with <CR><LF>.<CR><LF>" : "503 5.5.1 RCPT first");
    } else if (strcmp(command, "RSET") == 0) {
        forget_mail(s);
        lines_say(l, "250 2.0.0 Ok");
    } else if (strcmp(command, "NOOP") == 0) {
        lines_say(l, "250 2.0.0 Ok");
    } else if (strcmp(command, "VRFY") == 0) {
        lines_say(l, "252 2.0.0 %.300s", rest);
    } else if (strcmp(command, "HELP") == 0) {
        lines_say(l, "214 2.0.0 RFC 5321");
    } else if (strcmp(command, "QUIT") == 0) {
        lines_say(l, "221 2.0.0 Bye");
        lines_close(l);
    } else {
        lines_say(l, "500 5.5.2 Command not recognized");
    }
}

static void keep_mail(struct smtp *s)
{
    char note[4096];
    int at = snprintf(note, sizeof note, "from %s to ", s->from);
    for (size_t i = 0; i < s->recipients && (size_t)at + MOST_ADDRESS + 3 < sizeof note; i++)
        at += snprintf(note + at, sizeof note - (size_t)at, "%s%s", i > 0 ? ", " : "", s->to[i]);
    const struct kept k = {"mail", s->to[0], note, s->text.size > 0 ? buffer_bytes(&s->text) : "", s->text.size};
    CONVERSATION_TELL(s->lines.conversation, kept, &k);
}

static void end_mail(struct smtp *s)
{
    s->lines.raw = false;
    if (s->too_large) {
        lines_say(&s->lines, "552 5.3.4 Message too big");
    } else {
        keep_mail(s);
        lines_say(&s->lines, "250 2.0.0 Ok: queued");
    }
    forget_mail(s);
}

static void add(struct smtp *s, const char *bytes, size_t n)
{
    if (!s->too_large && !buffer_add(&s->text, bytes, n)) {
        s->too_large = true;
        buffer_clear(&s->text);
    }
}

/* The mail's text up to its dot (RFC 5321, 4.5.2). Lines in one piece, and the few bytes at their starts by hand. */
static size_t raw(struct lines *l, const char *bytes, size_t n)
{
    struct smtp *s = of(l);
    size_t i = 0;
    while (i < n) {
        char c = bytes[i];
        if (s->ending == 2 && c == '.') {
            s->ending = 3; /* the end, or a dot that hides one */
            i++;
        } else if (s->ending == 3 && c == '\r') {
            s->ending = 4;
            i++;
        } else if (s->ending >= 3 && c == '\n') {
            end_mail(s);
            return i + 1;
        } else {
            if (s->ending == 4)
                add(s, "\r", 1);
            const char *end = memchr(bytes + i, '\n', n - i);
            size_t some = end != NULL ? (size_t)(end - (bytes + i)) + 1 : n - i;
            add(s, bytes + i, some);
            s->ending = end != NULL ? 2 : 0;
            i += some;
        }
    }
    return i;
}

static void opened(struct lines *l)
{
    lines_say(l, "220 mail ESMTP");
}

static void release(struct lines *l)
{
    struct smtp *s = of(l);
    buffer_clear(&s->text);
    free(s);
}

static const struct lines_ops ops = {opened, line, raw, release};

struct far_end *smtp_new(struct contents *cs, const struct content_peer *peer)
{
    struct smtp *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    lines_init(&s->lines, &ops, cs, peer);
    s->secure = peer->tls;
    buffer_init(&s->text, &cs->account, MOST_MAIL);
    return &s->lines.end;
}
