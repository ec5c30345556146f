/* `service: NAME`: small fictions that let a guest get on with it, and keep what it says. */
#ifndef NETWORK_SERVICE_H
#define NETWORK_SERVICE_H

#include "network/internal.h"

struct far_end *service_new(struct contents *cs, enum policy_service service, const struct content_peer *peer);
bool service_has_starttls(enum policy_service service);

#endif
