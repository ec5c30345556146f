/* The three tables of lines (supervisor/inspect/python_lines.h). A table may be anybody's bytes: it is read to its end and no further. */
#include "supervisor/inspect/python_lines.h"

static int no_tab(const uint8_t *table, size_t n, int first, uint64_t at)
{
    uint64_t address = 0;
    int64_t line = first;
    for (size_t i = 0; i + 1 < n; i += 2) {
        address += table[i];
        if (address > at)
            break;
        line += (int8_t)table[i + 1];
    }
    return (int)line;
}

static int pairs(const uint8_t *table, size_t n, int first, uint64_t at)
{
    enum { NO_LINE = -128 };
    uint64_t end = 0;
    int64_t line = first;
    for (size_t i = 0; i + 1 < n; i += 2) {
        int8_t delta = (int8_t)table[i + 1];
        end += table[i];
        if (delta != NO_LINE)
            line += delta;
        if (end > at)
            return delta == NO_LINE ? 0 : (int)line;
    }
    return 0;
}

/* Six bits a byte, the lowest first; the seventh says that more follow. Its lowest bit is the sign. */
static int64_t signed_number(const uint8_t *table, size_t n, size_t at)
{
    uint64_t value = 0;
    for (unsigned shift = 0; at < n && shift < 32; at++, shift += 6) {
        value |= (uint64_t)(table[at] & 63) << shift;
        if ((table[at] & 64) == 0)
            break;
    }
    return (value & 1) != 0 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int locations(const uint8_t *table, size_t n, int first, uint64_t at)
{
    enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
    uint64_t end = 0;
    int64_t line = first;
    for (size_t i = 0; i < n;) {
        unsigned code = table[i] >> 3 & 15;
        end += 2 * ((table[i] & 7U) + 1);
        if (code == NO_COLUMNS || code == LONG)
            line += signed_number(table, n, i + 1);
        else if (code >= ONE_LINE_0 && code <= ONE_LINE_2)
            line += code - ONE_LINE_0;
        if (end > at)
            return code == NONE ? 0 : (int)line;
        do
            i++;
        while (i < n && (table[i] & 128) == 0); /* an entry begins with the eighth bit set */
    }
    return 0;
}

int python_line(enum python_lines kind, const uint8_t *table, size_t n, int first, uint64_t at)
{
    switch (kind) {
    case LINES_NOTAB:
        return no_tab(table, n, first, at);
    case LINES_PAIRS:
        return pairs(table, n, first, at);
    case LINES_LOCATIONS:
        return locations(table, n, first, at);
    }
    return 0;
}
