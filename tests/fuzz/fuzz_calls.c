/* Fuzzes the call table: every stub, in any order, in one small world, with the arguments and memory that the input chooses
 * (tests/unit/hostile.h). What it must not do: touch memory that is not its own, overflow, leak, wait for ever, answer with a
 * number no kernel gives, or read a byte of the guest's twice in one call.
 *
 *   make fuzz-calls FUZZ_SECONDS=60 */
#include "tests/unit/hostile.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MOST = 60 };

/* These end the task; what they leave is the machine's to do. The futex calls look at their word again, as they must. */
static bool left_out(uint64_t nr)
{
    return nr == SYS_exit || nr == SYS_exit_group;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hostile h;
    const struct machine *machine;
    h = (struct hostile){.choices = data, .size = size};
    hostile_setup(&h, &machine);
    for (int i = 0; i < CALLS_MOST && h.at < h.size; i++) {
        uint64_t nr = hostile_choose(&h, SYSENT_COUNT);
        if (left_out(nr))
            continue;
        int64_t result = hostile_call(&h, nr);
        if (h.twice && nr != SYS_futex && nr != SYS_futex_waitv) {
            fprintf(stderr, "call %d: byte %#zx is read twice\n", (int)nr, h.twice_at);
            abort();
        }
        if (result < 0 && result != CALL_BLOCK && result != CALL_NATIVE && result != CALL_GONE &&
            result < -CALL_RESTART_NOHAND && nr < SYSENT_COUNT && result > -4096) {
            fprintf(stderr, "call %d: %lld is no errno\n", (int)nr, (long long)result);
            abort();
        }
        hostile_settle(&h);
    }
    hostile_teardown(&h);
    return 0;
}
