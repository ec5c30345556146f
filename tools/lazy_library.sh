#!/bin/sh
# lazy_library.sh NAME LIBRARY OBJECT...   C source on stdout that takes the library's place when the objects are linked.
#
# Every function of the shared LIBRARY that the OBJECTs call becomes a jump through a table, and lazy_load_NAME() loads the library and fills
# the table. So what few runs need (libarchive, with libxml2 and ICU behind it) costs the others nothing: loading it took longer than all
# else that a start does. lazy_load_NAME() must have succeeded before the first call: it may not be possible later, when the
# supervisor has confined itself.
set -eu
name=$1 library=$2
shift 2
soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
symbols=$(mktemp)
trap 'rm -f "$symbols"' EXIT
nm -D --defined-only "$library" | awk '$2 == "T" || $2 == "W" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$symbols"
called=$(nm -u "$@" | awk '$1 == "U" { print $2 }' | sort -u | comm -12 - "$symbols")
cat <<END
/* Made by tools/lazy_library.sh from $soname. */
#include <dlfcn.h>
#include <stddef.h>

int lazy_load_$name(void);
__attribute__((visibility("hidden"))) void *lazy_$name[$(echo "$called" | wc -l)];
static const char *const names[] = {
$(echo "$called" | sed 's/.*/    "&",/')
};

int lazy_load_$name(void)
{
    static void *library;
    if (library != NULL)
        return 0;
    void *opened = dlopen("$soname", RTLD_NOW);
    for (size_t i = 0; opened != NULL && i < sizeof names / sizeof *names; i++)
        if ((lazy_$name[i] = dlsym(opened, names[i])) == NULL)
            return -1;
    library = opened;
    return opened != NULL ? 0 : -1;
}

__asm__(".text\n"
$(echo "$called" | awk -v name="$name" '{ printf "        \".globl %s\\n.type %s, @function\\n%s: jmp *lazy_%s+%d(%%rip)\\n\"\n", $1, $1, $1, name, 8 * (NR - 1) }'));
END
