/* `talk:` as a machine: what a guest sends goes in, what the script says comes out. It knows no framing: a stream's far
 * end drives it, and a websocket. */
#ifndef NETWORK_TALK_H
#define NETWORK_TALK_H

#include "network/internal.h"

struct talk;

/* How a talk acts; the operations may not free it. */
struct talk_out {
    size_t (*send)(void *context, const char *bytes, size_t n); /* taken; the rest is sent when talk_go is called */
    void (*close)(void *context);
    void (*reset)(void *context);
    void (*delay)(void *context, int64_t ns); /* talk_timer after so long */
    void (*starttls)(void *context);          /* NULL: the step is passed over */
};

struct talk *talk_new(struct account *account, const struct policy_talk *script, const struct talk_out *out,
                      void *context);
void talk_free(struct talk *t);
void talk_go(struct talk *t); /* the connection stands, or there is room again */
/* How many of the bytes were taken: what is left is wanted after the next talk_go or talk_timer. */
size_t talk_input(struct talk *t, const char *bytes, size_t n);
void talk_timer(struct talk *t);

/* The far end of a stream or of datagrams that follows a script. */
struct far_end *talk_end_new(struct contents *cs, const struct policy_talk *script, const struct content_peer *peer);
bool talk_has_starttls(const struct policy_talk *script);

#endif
