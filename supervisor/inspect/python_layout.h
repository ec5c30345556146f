/* Where CPython keeps what a stack is read from, by version: 3.8 to 3.12 were the same in all of their releases, and 3.13 says it
 * itself (_Py_DebugOffsets, at the beginning of _PyRuntime). */
#ifndef SUPERVISOR_INSPECT_PYTHON_LAYOUT_H
#define SUPERVISOR_INSPECT_PYTHON_LAYOUT_H

#include "supervisor/inspect/guest_memory.h"

enum python_lines {
    LINES_NOTAB,     /* to 3.9: bytes of code, lines (Objects/lnotab_notes.txt) */
    LINES_PAIRS,     /* 3.10 (PEP 626) */
    LINES_LOCATIONS, /* from 3.11 (Objects/locations.md) */
};

enum python_place {
    PLACE_BYTES,   /* frame_place is a number: bytes into the code */
    PLACE_UNITS,   /* … instructions of 2 bytes */
    PLACE_POINTER, /* it points to the instruction */
};

/* Offsets in bytes. */
struct python_layout {
    unsigned minor;
    enum python_lines lines;
    enum python_place place;
    uint64_t interpreters; /* in _PyRuntime: the first */
    uint64_t interpreter_next, interpreter_threads;
    uint64_t thread_next, thread_id, thread_frame;
    bool by_cframe;        /* thread_frame leads to a struct that has the frame … */
    uint64_t cframe_frame; /* … there */
    uint64_t frame_previous, frame_code, frame_place, frame_owner; /* owner: 0, where frames say none */
    uint64_t code_file, code_name, code_line, code_table, code_bytes;
    uint64_t object_type;
    uint64_t bytes_size, bytes_data;
    uint64_t text_length, text_state, text_ascii, text_wide; /* where the characters begin: of ASCII, of others */
};

/* runtime: address of _PyRuntime. False: a version that is not known. */
bool python_layout_find(struct guest_memory *g, unsigned minor, uint64_t runtime, struct python_layout *out);

#endif
