/* What protocols of lines share: SMTP, FTP, IRC. Lines come in, each ended by LF or CRLF and no longer than a limit; answers
 * wait in a bounded queue until the guest takes them, and while it does not, no further line is read. */
#ifndef NETWORK_LINES_H
#define NETWORK_LINES_H

#include "network/service.h"

struct lines;

struct lines_ops {
    void (*opened)(struct lines *l);
    void (*line)(struct lines *l, char *line, size_t n); /* NUL-terminated, without its end; NULs within are blanks */
    /* While l->raw: bytes as they come; how many were taken. */
    size_t (*raw)(struct lines *l, const char *bytes, size_t n);
    void (*free)(struct lines *l); /* what the service has, and itself */
};

/* First in every such service's own struct. */
struct lines {
    struct far_end end;
    const struct lines_ops *ops;
    struct contents *contents;
    struct conversation *conversation;
    struct buffer in, out;
    bool raw, waiting; /* waiting: no line is read until lines_go_on */
    bool over, busy;
};

void lines_init(struct lines *l, const struct lines_ops *ops, struct contents *cs, const struct content_peer *peer);
void lines_say(struct lines *l, const char *format, ...) __attribute__((format(printf, 2, 3))); /* adds CRLF */
void lines_close(struct lines *l); /* after what was said */
void lines_go_on(struct lines *l);

/* The word at the front of a line in capitals ("MAIL"); *rest is what follows its blanks. word: n bytes. */
void lines_command(char *line, char *word, size_t n, char **rest);

struct far_end *smtp_new(struct contents *cs, const struct content_peer *peer);
struct far_end *ftp_new(struct contents *cs, const struct content_peer *peer);
struct far_end *irc_new(struct contents *cs, const struct content_peer *peer);

#endif
