/* Looking for a policy's patterns in what a guest sent. Each costs time that is linear in the bytes, or bounded by PCRE2's
 * own limits: a regex that runs into them is one that does not match. */
#include "network/internal.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MOST_STEPS = 200000, MOST_DEPTH = 1000, MOST_HEAP_KIB = 4096, MOST_SUBJECT = 1 << 20 };

static bool regex(const struct policy_pattern *p, const char *bytes, size_t n, bool whole, size_t *end,
                  size_t groups[20])
{
    if (n > MOST_SUBJECT)
        n = MOST_SUBJECT;
    pcre2_match_data *data = pcre2_match_data_create(10, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;
    if (data != NULL && limits != NULL) {
        pcre2_set_match_limit(limits, MOST_STEPS);
        pcre2_set_depth_limit(limits, MOST_DEPTH);
        pcre2_set_heap_limit(limits, MOST_HEAP_KIB);
        found = pcre2_match(p->code, (PCRE2_SPTR)(n > 0 ? bytes : ""), n, 0, 0, data, limits);
    }
    if (found >= 0) {
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
        size_t count = found == 0 ? 10 : (size_t)found;
        *end = at[1];
        for (size_t i = 0; groups != NULL && i < 20; i++)
            groups[i] = i < 2 * count && at[i] != PCRE2_UNSET ? at[i] : 0;
        if (whole && (at[0] > at[1] || at[1] > n))
            found = PCRE2_ERROR_NOMATCH;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return found >= 0;
}

/* The classic two fingers: on a mismatch the last star takes one byte more. */
static bool glob_whole(const char *pattern, size_t m, const char *bytes, size_t n)
{
    size_t p = 0, b = 0, star = m, from = 0;
    while (b < n) {
        if (p < m && pattern[p] == '*') {
            star = p++;
            from = b;
        } else if (p < m && pattern[p] == bytes[b]) {
            p++;
            b++;
        } else if (star < m) {
            p = star + 1;
            b = ++from;
        } else {
            return false;
        }
    }
    while (p < m && pattern[p] == '*')
        p++;
    return p == m;
}

/* The texts between the stars, one behind the other. A star at the end takes all that has come. */
static bool glob_finds(const char *pattern, size_t m, const char *bytes, size_t n, size_t *end)
{
    size_t at = 0;
    for (size_t p = 0; p < m;) {
        const char *star = memchr(pattern + p, '*', m - p);
        size_t length = star != NULL ? (size_t)(star - pattern) - p : m - p;
        if (length > 0) {
            const char *found = memmem(bytes + at, n - at, pattern + p, length);
            if (found == NULL)
                return false;
            at = (size_t)(found - bytes) + length;
        }
        p += length + (star != NULL);
    }
    *end = m > 0 && pattern[m - 1] == '*' ? n : at;
    return true;
}

bool pattern_matches(const struct policy_pattern *p, const char *bytes, size_t n)
{
    size_t end;
    switch (p->kind) {
    case PATTERN_NONE:
        return true;
    case PATTERN_TEXT:
        return n == p->size && memcmp(bytes, p->bytes, n) == 0;
    case PATTERN_GLOB:
        return glob_whole(p->bytes, p->size, bytes, n);
    case PATTERN_REGEX:
        return regex(p, bytes, n, true, &end, NULL);
    }
    return false;
}

bool pattern_finds(const struct policy_pattern *p, const char *bytes, size_t n, size_t *end, size_t groups[20])
{
    const char *found;
    if (groups != NULL)
        memset(groups, 0, 20 * sizeof *groups);
    switch (p->kind) {
    case PATTERN_NONE:
        *end = n;
        return true;
    case PATTERN_TEXT:
        found = p->size > 0 ? memmem(bytes, n, p->bytes, p->size) : bytes;
        *end = found != NULL ? (size_t)(found - bytes) + p->size : 0;
        return found != NULL;
    case PATTERN_GLOB:
        return glob_finds(p->bytes, p->size, bytes, n, end);
    case PATTERN_REGEX:
        return regex(p, bytes, n, false, end, groups);
    }
    return false;
}
