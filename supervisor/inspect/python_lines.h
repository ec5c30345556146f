/* Which line of its file an instruction of CPython's is of, by the table that the code object has. */
#ifndef SUPERVISOR_INSPECT_PYTHON_LINES_H
#define SUPERVISOR_INSPECT_PYTHON_LINES_H

#include "supervisor/inspect/python_layout.h"

/* at: bytes into the code. 0: the table says none. */
int python_line(enum python_lines kind, const uint8_t *table, size_t n, int first, uint64_t at);

#endif
