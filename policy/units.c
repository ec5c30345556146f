/* Numbers with units (policy/units.h). Decimal fractions are read as digits, never as floating point, so that 0.1s is
 * 100 ms and not one nanosecond less. */
#include "policy/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t worth;
};

static const struct unit size_units[] = {
    {"", 1},      {"B", 1},     {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30},   {"TiB", 1ULL << 40},
    {"kB", 1000}, {"KB", 1000}, {"MB", 1000000},     {"GB", 1000000000},  {"TB", 1000000000000}, {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ns", 1},          {"us", 1000},         {"ms", 1000000},       {"s", 1000000000},
    {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}, {NULL, 0},
};

int units_read_number(const char *text, uint64_t *value, const char **why)
{
    *why = "expected a whole number such as 42";
    int base = 10;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        base = 16;
    else if (text[0] == '0' && (text[1] == 'o' || text[1] == 'O'))
        base = 8;
    if (base != 10)
        text += 2;
    if (*text == '\0')
        return -1;
    uint64_t sum = 0;
    for (; *text != '\0'; text++) {
        int digit = isdigit((unsigned char)*text)    ? *text - '0'
                    : isxdigit((unsigned char)*text) ? tolower((unsigned char)*text) - 'a' + 10
                                                     : 99;
        if (digit >= base)
            return -1;
        if (__builtin_mul_overflow(sum, (uint64_t)base, &sum) || __builtin_add_overflow(sum, (uint64_t)digit, &sum)) {
            *why = "too large: the most is 18446744073709551615";
            return -1;
        }
    }
    *value = sum;
    return 0;
}

int units_read_integer(const char *text, int64_t *value, const char **why)
{
    bool negative = *text == '-';
    uint64_t size;
    if (units_read_number(text + negative, &size, why) < 0)
        return -1;
    if (size > (uint64_t)INT64_MAX + negative) {
        *why = "too large: a number here has 63 bits and a sign";
        return -1;
    }
    *value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return 0;
}

/* DIGITS[.DIGITS]UNIT in units of 1, exactly: what does not come out even is an error, not a rounding. */
static int read_units(const char *text, const struct unit *units, uint64_t most, uint64_t *value)
{
    const char *unit = text;
    if (!isdigit((unsigned char)*unit))
        return -1;
    while (isdigit((unsigned char)*unit))
        unit++;
    const char *fraction = unit;
    if (*unit == '.') {
        unit++;
        fraction = unit;
        while (isdigit((unsigned char)*unit))
            unit++;
        if (unit == fraction || unit - fraction > 18)
            return -1;
    }
    const char *fraction_end = unit;
    while (*unit == ' ')
        unit++;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, unit) != 0)
            continue;
        uint64_t sum = 0;
        for (const char *c = text; isdigit((unsigned char)*c); c++)
            if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, (uint64_t)(*c - '0'), &sum))
                return -2;
        if (__builtin_mul_overflow(sum, units->worth, &sum))
            return -2;
        unsigned __int128 part = 0, scale = 1;
        for (const char *c = fraction; c < fraction_end; c++, scale *= 10)
            part = part * 10 + (unsigned)(*c - '0');
        part *= units->worth;
        if (part % scale != 0)
            return -3;
        if (__builtin_add_overflow(sum, (uint64_t)(part / scale), &sum) || sum > most)
            return -2;
        *value = sum;
        return 0;
    }
    return -1;
}

int units_read_size(const char *text, uint64_t *bytes, const char **why)
{
    int result = read_units(text, size_units, INT64_MAX, bytes);
    *why = result == -2   ? "too large: the most is 8388607TiB"
           : result == -3 ? "not a whole number of bytes"
                          : "expected a size such as 4096, 64KiB, 256MiB or 1GB";
    return result < 0 ? -1 : 0;
}

int units_read_duration(const char *text, uint64_t *ns, const char **why)
{
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return 0;
    }
    int result = read_units(text, duration_units, INT64_MAX, ns);
    *why = result == -2   ? "too long: the most is 106751d"
           : result == -3 ? "not a whole number of nanoseconds"
                          : "expected a duration with its unit, such as 10s, 500ms, 2m or 1h";
    return result < 0 ? -1 : 0;
}

/* Days from 1970-01-01 in the Gregorian calendar: Hinnant's "days_from_civil", years counted from March. */
static int64_t days_since_1970(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Exactly `digits` digits, then moves on. -1: something else stands there. */
static int take_digits(const char **text, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text))
            return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

static bool take(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

/* RFC 3339, and a date alone for its midnight. */
int units_read_time(const char *text, int64_t *ns, const char **why)
{
    *why = "expected a time such as 2024-01-01T00:00:00Z";
    int hour = 0, minute = 0, second = 0, offset = 0;
    int64_t fraction = 0;
    int year = take_digits(&text, 4);
    if (year < 0 || !take(&text, '-'))
        return -1;
    int month = take_digits(&text, 2);
    if (month < 1 || month > 12 || !take(&text, '-'))
        return -1;
    int day = take_digits(&text, 2);
    if (day < 1 || day > days_of_month(year, month))
        return -1;
    if (*text != '\0') {
        if (!take(&text, 'T') && !take(&text, ' '))
            return -1;
        hour = take_digits(&text, 2);
        if (hour < 0 || hour > 23 || !take(&text, ':'))
            return -1;
        minute = take_digits(&text, 2);
        if (minute < 0 || minute > 59 || !take(&text, ':'))
            return -1;
        second = take_digits(&text, 2);
        if (second < 0 || second > 59)
            return -1;
        if (take(&text, '.')) {
            int64_t worth = 100000000;
            if (!isdigit((unsigned char)*text))
                return -1;
            for (; isdigit((unsigned char)*text); text++, worth /= 10) {
                if (worth == 0)
                    return -1;
                fraction += (*text - '0') * worth;
            }
        }
        if (!take(&text, 'Z')) {
            int sign = *text == '-' ? -1 : 1;
            if (!take(&text, '+') && !take(&text, '-')) {
                *why = "expected a time with its zone, such as 2024-01-01T00:00:00Z";
                return -1;
            }
            int hours = take_digits(&text, 2);
            if (hours < 0 || hours > 23 || !take(&text, ':'))
                return -1;
            int minutes = take_digits(&text, 2);
            if (minutes < 0 || minutes > 59)
                return -1;
            offset = sign * (hours * 60 + minutes);
        }
        if (*text != '\0')
            return -1;
    }
    int64_t seconds =
        days_since_1970(year, month, day) * 86400 + (int64_t)hour * 3600 + (int64_t)(minute - offset) * 60 + second;
    if (seconds < 0 || seconds >= 7258118400) { /* 2200: room for a guest's own clock within 63 bits of nanoseconds */
        *why = "the clock can start between 1970 and 2199";
        return -1;
    }
    *ns = seconds * 1000000000 + fraction;
    return 0;
}

int units_read_rate(const char *text, double *rate, const char **why)
{
    *why = "expected a rate between 0.001 and 1000000, such as 1.0";
    for (const char *c = text; *c != '\0'; c++)
        if (!isdigit((unsigned char)*c) && *c != '.')
            return -1;
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0.001 && value <= 1e6))
        return -1;
    *rate = value;
    return 0;
}

int units_read_mode(const char *text, uint32_t *mode, const char **why)
{
    *why = "expected an octal mode such as 0644";
    if (text[0] == '0' && text[1] == 'o')
        text += 2;
    size_t length = strlen(text);
    if (length == 0 || length > 5)
        return -1;
    uint32_t value = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '7')
            return -1;
        value = value * 8 + (uint32_t)(*text - '0');
    }
    if (value > 07777)
        return -1;
    *mode = value;
    return 0;
}

int units_read_base64(const char *text, size_t size, char **bytes, size_t *out_size, const char **why)
{
    *why = "not base64";
    size_t room = size / 4 * 3 + 4;
    char *out = malloc(room);
    if (out == NULL) {
        *why = "out of memory";
        return -1;
    }
    const char *end;
    if (sodium_base642bin((unsigned char *)out, room, text, size, "\n\r\t ", out_size, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != text + size) {
        free(out);
        return -1;
    }
    *bytes = out;
    return 0;
}

/* The largest unit of the table that divides the value. */
static char *print_units(uint64_t value, const char *const *names, const struct unit *units, char *buffer)
{
    const char *best = names[0];
    uint64_t worth = 1;
    for (; *names != NULL; names++)
        for (const struct unit *u = units; u->name != NULL; u++)
            if (strcmp(u->name, *names) == 0 && value != 0 && value % u->worth == 0 && u->worth >= worth) {
                best = *names;
                worth = u->worth;
            }
    snprintf(buffer, UNITS_ROOM, "%" PRIu64 "%s", value / worth, best);
    return buffer;
}

char *units_print_size(uint64_t bytes, char *buffer)
{
    static const char *const names[] = {"", "KiB", "MiB", "GiB", "TiB", NULL};
    return print_units(bytes, names, size_units, buffer);
}

char *units_print_duration(uint64_t ns, char *buffer)
{
    static const char *const names[] = {"ns", "us", "ms", "s", "m", "h", NULL};
    return print_units(ns, names, duration_units, buffer);
}

char *units_print_time(int64_t ns, char *buffer)
{
    int64_t seconds = ns / 1000000000, fraction = ns % 1000000000, days = seconds / 86400, rest = seconds % 86400;
    /* The inverse of days_since_1970: Hinnant's "civil_from_days". */
    int64_t z = days + 719468, era = z / 146097, day_of_era = z % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1, month = shifted < 10 ? shifted + 3 : shifted - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    char nanoseconds[16] = "";
    if (fraction != 0) {
        int length = snprintf(nanoseconds, sizeof nanoseconds, ".%09" PRId64, fraction);
        while (nanoseconds[length - 1] == '0')
            nanoseconds[--length] = '\0';
    }
    snprintf(buffer, UNITS_ROOM,
             "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 "%sZ", year, month, day,
             rest / 3600, rest / 60 % 60, rest % 60, nanoseconds);
    return buffer;
}

char *units_print_rate(double rate, char *buffer)
{
    /* The shortest that reads back as the same double. */
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, UNITS_ROOM, "%.*g", digits, rate);
        if (strtod(buffer, NULL) == rate)
            break;
    }
    if (strpbrk(buffer, "e.") == NULL)
        snprintf(buffer + strlen(buffer), 3, ".0");
    else if (strchr(buffer, 'e') != NULL)
        snprintf(buffer, UNITS_ROOM, "%.1f", rate);
    return buffer;
}
