/* What an answer is made of: headers, bodies, dates, types, compression. */
#include "network/http.h"

#include "vfs/vfs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

enum { LEAST_COMPRESSED = 1024, MOST_COMPRESSED = 8 << 20 };

void http_answer_init(struct http_answer *a, struct account *account)
{
    *a = (struct http_answer){.status = 200, .account = account};
}

static void drop_body(struct http_answer *a)
{
    if (a->made != NULL)
        a->account->used -= a->made_size;
    free(a->made);
    file_put(a->file);
    a->made = NULL;
    a->file = NULL;
    a->bytes = NULL;
    a->size = 0;
}

void http_answer_release(struct http_answer *a)
{
    drop_body(a);
    for (size_t i = 0; i < a->header_count; i++)
        free(a->values[i]);
    a->header_count = 0;
}

void http_answer_header(struct http_answer *a, const char *name, const char *format, ...)
{
    if (a->header_count == HTTP_MOST_ANSWER_HEADERS)
        return;
    va_list list;
    va_start(list, format);
    char *value = NULL;
    if (vasprintf(&value, format, list) < 0)
        value = NULL;
    va_end(list);
    if (value == NULL)
        return;
    for (char *c = value; *c != '\0'; c++) /* a file's name may hold anything: a header is one line */
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    a->headers[a->header_count] = (struct http_header){name, value};
    a->values[a->header_count++] = value;
}

const char *http_answer_find(const struct http_answer *a, const char *name)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (strcasecmp(a->headers[i].name, name) == 0)
            return a->headers[i].value;
    return NULL;
}

/* Takes the memory over. */
static void set_made(struct http_answer *a, char *bytes, size_t n)
{
    drop_body(a);
    a->made = bytes;
    a->made_size = n;
    a->account->used += n;
    a->bytes = bytes;
    a->size = n;
}

void http_answer_text(struct http_answer *a, const char *type, const char *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy == NULL)
        return;
    memcpy(copy, bytes, n);
    set_made(a, copy, n);
    if (type != NULL && http_answer_find(a, "content-type") == NULL)
        http_answer_header(a, "Content-Type", "%s", type);
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a Teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

void http_answer_status(struct http_answer *a, int status)
{
    char page[256];
    const char *reason = http_reason(status);
    int n = snprintf(page, sizeof page,
                     "<!DOCTYPE html>\n<html><head><title>%d %s</title></head>\n<body><h1>%d %s</h1></body></html>\n",
                     status, reason, status, reason);
    a->status = status;
    http_answer_text(a, "text/html; charset=utf-8", page, (size_t)n);
}

static const struct {
    const char *ending, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"xml", "application/xml"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tgz", "application/gzip"},
    {"bz2", "application/x-bzip2"},
    {"xz", "application/x-xz"},
    {"zst", "application/zstd"},
    {"tar", "application/x-tar"},
    {"whl", "application/zip"},
    {"jar", "application/java-archive"},
    {"wasm", "application/wasm"},
    {"py", "text/x-python; charset=utf-8"},
    {"sh", "application/x-sh"},
    {"exe", "application/vnd.microsoft.portable-executable"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"webp", "image/webp"},
    {"ico", "image/vnd.microsoft.icon"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"bin", "application/octet-stream"},
};

const char *http_type_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash != NULL ? slash : name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot + 1, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

char *http_date(int64_t ns, char *buffer)
{
    /* Not strftime's names: they are the locale's. */
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = ns / 1000000000;
    struct tm t;
    gmtime_r(&seconds, &t);
    snprintf(buffer, HTTP_DATE_ROOM, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday % 100,
             months[t.tm_mon], (t.tm_year + 1900) % 10000, t.tm_hour % 100, t.tm_min % 100, t.tm_sec % 100);
    return buffer;
}

bool http_date_read(const char *text, int64_t *seconds)
{
    struct tm t = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &t);
    if (end == NULL || *end != '\0')
        return false;
    *seconds = timegm(&t);
    return true;
}

/* ---- compression --------------------------------------------------------------------------------------------------- */

static bool compressible(const char *type)
{
    return type != NULL && (strncasecmp(type, "text/", 5) == 0 || strcasestr(type, "json") != NULL ||
                            strcasestr(type, "xml") != NULL || strcasestr(type, "yaml") != NULL);
}

/* bits: zlib's windowBits, 15 + 16 for gzip. */
static char *deflate_all(const char *bytes, size_t n, int bits, size_t *size)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    uLong room = deflateBound(&z, n);
    char *out = malloc(room);
    z.next_in = (Bytef *)bytes;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    int done = out != NULL ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    *size = z.total_out;
    deflateEnd(&z);
    if (done == Z_STREAM_END)
        return out;
    free(out);
    return NULL;
}

static char *zstd_all(const char *bytes, size_t n, size_t *size)
{
    size_t room = ZSTD_compressBound(n);
    char *out = malloc(room);
    *size = out != NULL ? ZSTD_compress(out, room, bytes, n, 3) : 0;
    if (out != NULL && !ZSTD_isError(*size))
        return out;
    free(out);
    return NULL;
}

/* A file's bytes in memory, so that they can be compressed. */
static bool read_body(struct http_answer *a)
{
    if (a->file == NULL)
        return a->bytes != NULL;
    char *bytes = malloc(a->size);
    size_t done = 0;
    while (bytes != NULL && done < a->size) {
        struct io io = io_over_buffer(bytes + done, a->size - done);
        uint64_t at = a->offset + done;
        ssize_t n = file_read(a->file, &io, &at);
        if (n <= 0) {
            free(bytes);
            return false;
        }
        done += (size_t)n;
    }
    if (bytes == NULL)
        return false;
    set_made(a, bytes, done);
    return true;
}

void http_answer_compress(struct http_answer *a, const struct http_request *q)
{
    static const char *const codings[] = {"zstd", "gzip", "deflate"};
    const char *accepted = http_header(q, "accept-encoding");
    if (a->size < LEAST_COMPRESSED || a->size > MOST_COMPRESSED || a->status != 200 || a->no_body ||
        !compressible(http_answer_find(a, "content-type")) || http_answer_find(a, "content-encoding") != NULL)
        return;
    http_answer_header(a, "Vary", "Accept-Encoding");
    int coding = 0;
    while (coding < 3 && !http_list_has(accepted, codings[coding]))
        coding++;
    if (coding == 3 || !read_body(a))
        return;
    size_t size;
    char *out = coding == 0   ? zstd_all(a->bytes, a->size, &size)
                : coding == 1 ? deflate_all(a->bytes, a->size, 15 + 16, &size)
                              : deflate_all(a->bytes, a->size, 15, &size);
    if (out == NULL)
        return;
    set_made(a, out, size);
    http_answer_header(a, "Content-Encoding", "%s", codings[coding]);
    /* Another representation: a strong validator would lie. */
    for (size_t i = 0; i < a->header_count; i++)
        if (strcasecmp(a->headers[i].name, "etag") == 0 && a->headers[i].value[0] == '"') {
            char *weak = NULL;
            if (asprintf(&weak, "W/%s", a->headers[i].value) < 0)
                continue;
            free(a->values[i]);
            a->headers[i].value = a->values[i] = weak;
        }
}
