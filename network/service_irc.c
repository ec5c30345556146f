/* `service: irc`: a server where one is alone. Registration, channels and pings go as clients expect (RFC 2812); what is
 * said is in the conversation's bytes. */
#include "network/lines.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

struct irc {
    struct lines lines;
    char nick[64];
    bool user, welcomed, capabilities;
};

static const char server[] = "irc.local";

static void numeric(struct irc *i, const char *number, const char *rest)
{
    lines_say(&i->lines, ":%s %s %s %s", server, number, i->nick[0] != '\0' ? i->nick : "*", rest);
}

static void welcome(struct irc *i)
{
    if (i->welcomed || !i->user || i->nick[0] == '\0' || i->capabilities)
        return;
    i->welcomed = true;
    numeric(i, "001", ":Welcome to the network");
    numeric(i, "002", ":Your host is irc.local");
    numeric(i, "003", ":This server was created some time ago");
    numeric(i, "004", "irc.local 1 iow ntov");
    numeric(i, "005", "CHANTYPES=# NICKLEN=63 NETWORK=local :are supported by this server");
    numeric(i, "422", ":MOTD File is missing");
}

/* Of a channel or a nick, which is the first word of `rest`. */
static void about(struct irc *i, const char *number, const char *rest, const char *words)
{
    char text[512];
    snprintf(text, sizeof text, "%.*s :%s", (int)(strcspn(rest, " ") < 200 ? strcspn(rest, " ") : 200), rest, words);
    numeric(i, number, text);
}

static void join(struct irc *i, char *channels)
{
    char *save = NULL;
    channels[strcspn(channels, " ")] = '\0';
    for (char *c = strtok_r(channels, ",", &save); c != NULL; c = strtok_r(NULL, ",", &save)) {
        char text[512];
        lines_say(&i->lines, ":%s!user@host JOIN %.200s", i->nick, c);
        snprintf(text, sizeof text, "= %.200s :%s", c, i->nick);
        numeric(i, "353", text);
        snprintf(text, sizeof text, "%.200s :End of /NAMES list", c);
        numeric(i, "366", text);
    }
}

static void line(struct lines *l, char *text, size_t n)
{
    struct irc *i = (struct irc *)l;
    char command[16], *rest;
    if (n == 0)
        return;
    lines_command(text, command, sizeof command, &rest);
    if (strcmp(command, "NICK") == 0) {
        rest += *rest == ':';
        if (i->welcomed)
            lines_say(l, ":%s!user@host NICK :%.63s", i->nick, rest);
        snprintf(i->nick, sizeof i->nick, "%.63s", rest);
        i->nick[strcspn(i->nick, " ")] = '\0';
        welcome(i);
    } else if (strcmp(command, "USER") == 0) {
        i->user = true;
        welcome(i);
    } else if (strcmp(command, "CAP") == 0) {
        i->capabilities = strncmp(rest, "END", 3) != 0;
        if (strncmp(rest, "LS", 2) == 0)
            lines_say(l, ":%s CAP * LS :", server);
        else if (strncmp(rest, "REQ", 3) == 0)
            lines_say(l, ":%s CAP * NAK %.400s", server, rest + 3 + strspn(rest + 3, " "));
        welcome(i);
    } else if (strcmp(command, "PING") == 0) {
        lines_say(l, ":%s PONG %s %s%.400s", server, server, *rest == ':' ? "" : ":", rest);
    } else if (strcmp(command, "JOIN") == 0) {
        join(i, rest);
    } else if (strcmp(command, "PART") == 0) {
        lines_say(l, ":%s!user@host PART %.400s", i->nick, rest);
    } else if (strcmp(command, "MODE") == 0) {
        rest[strcspn(rest, " ")] = '\0';
        char mode[512];
        snprintf(mode, sizeof mode, "%.200s +", rest);
        numeric(i, *rest == '#' ? "324" : "221", *rest == '#' ? mode : "+");
    } else if (strcmp(command, "TOPIC") == 0) {
        if (strchr(rest, ' ') != NULL)
            lines_say(l, ":%s!user@host TOPIC %.400s", i->nick, rest);
        else
            about(i, "331", rest, "No topic is set");
    } else if (strcmp(command, "WHO") == 0) {
        about(i, "315", rest, "End of WHO list");
    } else if (strcmp(command, "WHOIS") == 0) {
        about(i, "401", rest, "No such nick");
    } else if (strcmp(command, "LIST") == 0) {
        numeric(i, "323", ":End of LIST");
    } else if (strcmp(command, "QUIT") == 0) {
        lines_say(l, "ERROR :Closing Link");
        lines_close(l);
    } else if (strcmp(command, "PRIVMSG") != 0 && strcmp(command, "NOTICE") != 0 && strcmp(command, "PONG") != 0 &&
               strcmp(command, "PASS") != 0) {
        char unknown[64];
        snprintf(unknown, sizeof unknown, "%s :Unknown command", command);
        numeric(i, "421", unknown);
    }
}

static void release(struct lines *l)
{
    free(l);
}

static const struct lines_ops ops = {.line = line, .free = release};

struct far_end *irc_new(struct contents *cs, const struct content_peer *peer)
{
    struct irc *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    lines_init(&i->lines, &ops, cs, peer);
    return &i->lines.end;
}
