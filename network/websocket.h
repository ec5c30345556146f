/* A websocket (RFC 6455) behind an answered upgrade: wslay does the frames, a talk says what is said in them. */
#ifndef NETWORK_WEBSOCKET_H
#define NETWORK_WEBSOCKET_H

#include "network/http.h"

struct websocket;

/* Adds the handshake's headers to the answer. NULL: the request is no websocket's opening. */
struct websocket *websocket_new(struct contents *cs, struct far_end *end, struct http_answer *a,
                                const struct http_request *q);
void websocket_free(struct websocket *w);  /* NULL is allowed */
void websocket_start(struct websocket *w); /* the answer is sent */
size_t websocket_received(struct websocket *w, const void *bytes, size_t n);
void websocket_finished(struct websocket *w);
void websocket_room(struct websocket *w);
void websocket_timer(struct websocket *w);

#endif
