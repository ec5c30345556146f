/* libarchive when it is needed: the Makefile links a table of jumps in its place (tools/lazy_library.sh), since most runs have no
 * archive and loading it takes longer than all else that a start does. Unit tests link it as it is, and have no such table. */
#include "vfs/vfs.h"

#include <errno.h>

extern int lazy_load_archive(void) __attribute__((weak));

int vfs_load_archives(void)
{
    return lazy_load_archive == NULL || lazy_load_archive() == 0 ? 0 : -ELIBACC;
}
