/* Texts that a guest chose, for people to read (trace/decode.h): as strace(1) quotes them, or as they are but for what a terminal obeys. */
#include "trace/decode.h"

#include <string.h>

void decode_text(FILE *to, const uint8_t *bytes, size_t n, size_t most, bool longer)
{
    static const char short_name[256] = {
        ['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r', ['\v'] = 'v', ['\f'] = 'f', ['"'] = '"', ['\\'] = '\\'};
    fputc('"', to);
    for (size_t i = 0; i < n && i < most; i++) {
        uint8_t b = bytes[i];
        bool digit_follows = i + 1 < n && i + 1 < most && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
        if (short_name[b] != 0)
            fprintf(to, "\\%c", short_name[b]);
        else if (b < ' ' || b > '~')
            fprintf(to, digit_follows ? "\\%03o" : "\\%o", b);
        else
            fputc(b, to);
    }
    fputs(n > most || longer ? "\"..." : "\"", to);
}

/* How many bytes the character of UTF-8 (RFC 3629) at `text` has; 0: it is none, or a control character. */
static size_t character(const uint8_t *text, size_t n)
{
    static const uint32_t least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    size_t size = text[0] < 0x80   ? 1
                  : text[0] < 0xc0 ? 0
                  : text[0] < 0xe0 ? 2
                  : text[0] < 0xf0 ? 3
                  : text[0] < 0xf8 ? 4
                                   : 0;
    uint32_t c = size == 1 ? text[0] : text[0] & (0x7fU >> size);
    if (size > n)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3fU);
    }
    return c >= least[size] && c != 0x7f && (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff ? size : 0;
}

void decode_plain(FILE *to, const char *text, size_t n, const char *also)
{
    for (size_t at = 0, size; at<n; at += size> 0 ? size : 1) {
        size = character((const uint8_t *)text + at, n - at);
        if (size > 0)
            fwrite(text + at, 1, size, to);
        else if (text[at] != '\0' && strchr(also, text[at]) != NULL)
            fputc(text[at], to);
        else
            fprintf(to, "\\%03o", (unsigned char)text[at]);
    }
}
