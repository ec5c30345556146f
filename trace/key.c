/* Key files (trace/key.h): one line, `terrarium secret key HEX` or `terrarium public key HEX`. */
#include "trace/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char secret_word[] = "terrarium secret key ", public_word[] = "terrarium public key ";
enum { WORD = sizeof secret_word - 1, LINE_MOST = 256 };

static int write_line(const char *path, mode_t mode, const char *what, const uint8_t *key, size_t size, char *why,
                      size_t n)
{
    char line[LINE_MOST], hex[2 * KEY_SECRET + 1];
    sodium_bin2hex(hex, sizeof hex, key, size);
    int length = snprintf(line, sizeof line, "%s%s\n", what, hex);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool good = fd >= 0 && write(fd, line, (size_t)length) == length;
    int error = errno;
    if (fd >= 0 && close(fd) < 0)
        good = false;
    sodium_memzero(line, sizeof line);
    sodium_memzero(hex, sizeof hex);
    if (!good)
        snprintf(why, n, "%s: %s", path, strerror(error));
    return good ? 0 : -1;
}

int key_make(const char *path, char *why, size_t n)
{
    uint8_t secret[KEY_SECRET], public_key[KEY_PUBLIC];
    char beside[PATH_MAX];
    if (sodium_init() < 0 || (size_t)snprintf(beside, sizeof beside, "%s.pub", path) >= sizeof beside) {
        snprintf(why, n, "%s: cannot make a key", path);
        return -1;
    }
    if (access(beside, F_OK) == 0) {
        snprintf(why, n, "%s: %s", beside, strerror(EEXIST));
        return -1;
    }
    crypto_sign_keypair(public_key, secret);
    int error = write_line(path, 0600, secret_word, secret, sizeof secret, why, n);
    sodium_memzero(secret, sizeof secret);
    return error < 0 ? error : write_line(beside, 0644, public_word, public_key, sizeof public_key, why, n);
}

/* The key behind `word` in the file's only line. */
static int read_line(const char *path, const char *word, uint8_t *key, size_t size, char *why, size_t n)
{
    char line[LINE_MOST];
    size_t got = 0, used;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (length < 0) {
        snprintf(why, n, "%s: %s", path, strerror(error));
        return -1;
    }
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    used = strlen(line);
    bool good = used == WORD + 2 * size && strncmp(line, word, WORD) == 0 &&
                sodium_hex2bin(key, size, line + WORD, 2 * size, NULL, &got, NULL) == 0 && got == size;
    sodium_memzero(line, sizeof line);
    if (!good)
        snprintf(why, n, "%s: not a %.*s", path, WORD - 1, word);
    return good ? 0 : -1;
}

int key_read_secret(const char *path, uint8_t secret[KEY_SECRET], char *why, size_t n)
{
    return read_line(path, secret_word, secret, KEY_SECRET, why, n);
}

int key_read_public(const char *path, uint8_t public_key[KEY_PUBLIC], char *why, size_t n)
{
    uint8_t secret[KEY_SECRET];
    if (read_line(path, public_word, public_key, KEY_PUBLIC, why, n) == 0)
        return 0;
    char other[256];
    if (read_line(path, secret_word, secret, KEY_SECRET, other, sizeof other) < 0)
        return -1;
    crypto_sign_ed25519_sk_to_pk(public_key, secret);
    sodium_memzero(secret, sizeof secret);
    return 0;
}
