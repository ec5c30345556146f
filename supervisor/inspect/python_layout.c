/* The layouts (supervisor/inspect/python_layout.h). tests/run/test_inspect.py holds each against an interpreter of its version. */
#include "supervisor/inspect/python_layout.h"

#include <string.h>

#define OBJECTS .object_type = 8, .bytes_size = 16, .bytes_data = 32, .text_length = 16, .text_state = 32

/* PyFrameObject: until 3.10 a frame is an object. */
#define OLD                                                                                                            \
    .interpreters = 32, .interpreter_next = 0, .interpreter_threads = 8, .thread_next = 8, .thread_id = 176,           \
    .thread_frame = 24, .frame_previous = 24, .frame_code = 32, .code_file = 104, .code_name = 112, .code_line = 40,   \
    .code_table = 120, OBJECTS, .text_ascii = 48, .text_wide = 72

static const struct python_layout layouts[] = {
    {.minor = 8, .lines = LINES_NOTAB, .place = PLACE_BYTES, .frame_place = 104, OLD},
    {.minor = 9, .lines = LINES_NOTAB, .place = PLACE_BYTES, .frame_place = 104, OLD},
    {.minor = 10, .lines = LINES_PAIRS, .place = PLACE_UNITS, .frame_place = 96, OLD},
    {.minor = 11,
     .lines = LINES_LOCATIONS,
     .place = PLACE_POINTER,
     .interpreters = 40,
     .interpreter_threads = 16,
     .thread_next = 8,
     .thread_id = 152,
     .thread_frame = 56,
     .by_cframe = true,
     .cframe_frame = 8,
     .frame_previous = 48,
     .frame_code = 32,
     .frame_place = 56,
     .code_file = 112,
     .code_name = 128,
     .code_line = 72,
     .code_table = 136,
     .code_bytes = 184,
     OBJECTS,
     .text_ascii = 48,
     .text_wide = 72},
    {.minor = 12,
     .lines = LINES_LOCATIONS,
     .place = PLACE_POINTER,
     .interpreters = 40,
     .interpreter_threads = 72,
     .thread_next = 8,
     .thread_id = 136,
     .thread_frame = 56,
     .by_cframe = true,
     .cframe_frame = 0,
     .frame_previous = 8,
     .frame_code = 0,
     .frame_place = 56,
     .frame_owner = 70,
     .code_file = 112,
     .code_name = 128,
     .code_line = 68,
     .code_table = 136,
     .code_bytes = 192,
     OBJECTS,
     .text_ascii = 40,
     .text_wide = 56},
};

/* 3.13's, as words of 8 bytes from the beginning of _PyRuntime. */
static bool said_by_itself(struct guest_memory *g, uint64_t runtime, struct python_layout *out)
{
    enum { WORDS = 71, OFFSET_MOST = 1 << 20 };
    uint64_t w[WORDS];
    if (!guest_read(g, runtime, w, sizeof w) || memcmp(w, "xdebugpy", 8) != 0 || w[1] >> 16 != 0x030d)
        return false;
    for (unsigned i = 3; i < WORDS; i++)
        if (w[i] > OFFSET_MOST)
            return false;
    *out = (struct python_layout){.minor = 13,
                                  .lines = LINES_LOCATIONS,
                                  .place = PLACE_POINTER,
                                  .interpreters = w[5],
                                  .interpreter_next = w[8],
                                  .interpreter_threads = w[9],
                                  .thread_next = w[21],
                                  .thread_id = w[24],
                                  .thread_frame = w[23],
                                  .frame_previous = w[29],
                                  .frame_code = w[30],
                                  .frame_place = w[31],
                                  .frame_owner = w[33],
                                  .code_file = w[35],
                                  .code_name = w[37],
                                  .code_line = w[39],
                                  .code_table = w[38],
                                  .code_bytes = w[43],
                                  .object_type = w[45],
                                  .bytes_size = w[65],
                                  .bytes_data = w[66],
                                  .text_length = w[69],
                                  .text_state = w[68],
                                  .text_ascii = w[70],
                                  .text_wide = w[70] + 16};
    return true;
}

bool python_layout_find(struct guest_memory *g, unsigned minor, uint64_t runtime, struct python_layout *out)
{
    if (minor == 13)
        return said_by_itself(g, runtime, out);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (layouts[i].minor != minor)
            continue;
        *out = layouts[i];
        return true;
    }
    return false;
}
