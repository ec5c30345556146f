/* What gdb is told of a thread's registers: the description (target.xml, "Target Descriptions" in gdb's manual) and the block that
 * follows its order. */
#include "supervisor/inspect/gdb.h"

#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

const char gdb_description[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
    "<architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi><feature name=\"org.gnu.gdb.i386.core\">"
    "<reg name=\"rax\" bitsize=\"64\"/><reg name=\"rbx\" bitsize=\"64\"/><reg name=\"rcx\" bitsize=\"64\"/>"
    "<reg name=\"rdx\" bitsize=\"64\"/><reg name=\"rsi\" bitsize=\"64\"/><reg name=\"rdi\" bitsize=\"64\"/>"
    "<reg name=\"rbp\" bitsize=\"64\" type=\"data_ptr\"/><reg name=\"rsp\" bitsize=\"64\" type=\"data_ptr\"/>"
    "<reg name=\"r8\" bitsize=\"64\"/><reg name=\"r9\" bitsize=\"64\"/><reg name=\"r10\" bitsize=\"64\"/>"
    "<reg name=\"r11\" bitsize=\"64\"/><reg name=\"r12\" bitsize=\"64\"/><reg name=\"r13\" bitsize=\"64\"/>"
    "<reg name=\"r14\" bitsize=\"64\"/><reg name=\"r15\" bitsize=\"64\"/>"
    "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/><reg name=\"eflags\" bitsize=\"32\"/>"
    "<reg name=\"cs\" bitsize=\"32\"/><reg name=\"ss\" bitsize=\"32\"/><reg name=\"ds\" bitsize=\"32\"/>"
    "<reg name=\"es\" bitsize=\"32\"/><reg name=\"fs\" bitsize=\"32\"/><reg name=\"gs\" bitsize=\"32\"/>"
    "<reg name=\"st0\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st1\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st2\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st3\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st4\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st5\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st6\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st7\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"fctrl\" bitsize=\"32\"/><reg name=\"fstat\" bitsize=\"32\"/><reg name=\"ftag\" bitsize=\"32\"/>"
    "<reg name=\"fiseg\" bitsize=\"32\"/><reg name=\"fioff\" bitsize=\"32\"/><reg name=\"foseg\" bitsize=\"32\"/>"
    "<reg name=\"fooff\" bitsize=\"32\"/><reg name=\"fop\" bitsize=\"32\"/></feature>"
    "<feature name=\"org.gnu.gdb.i386.linux\"><reg name=\"orig_rax\" bitsize=\"64\"/></feature>"
    "<feature name=\"org.gnu.gdb.i386.segments\"><reg name=\"fs_base\" bitsize=\"64\"/>"
    "<reg name=\"gs_base\" bitsize=\"64\"/></feature></target>";

static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

size_t gdb_registers(struct tracee *t, uint8_t to[GDB_REGISTERS])
{
    uint8_t *at = to;
    if (tracee_load_registers(t) < 0)
        return 0;
    const struct user_regs_struct *r = &t->regs;
    struct user_fpregs_struct f = {0};
    struct iovec area = {&f, sizeof f};
    (void)ptrace(PTRACE_GETREGSET, t->real, NT_PRFPREG, &area); /* zeros where there are none */
    const uint64_t general[] = {r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
                                r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip};
    const uint32_t segments[] = {(uint32_t)r->eflags, (uint32_t)r->cs, (uint32_t)r->ss, (uint32_t)r->ds,
                                 (uint32_t)r->es,     (uint32_t)r->fs, (uint32_t)r->gs};
    const uint32_t control[] = {f.cwd, f.swd, f.ftw, 0, (uint32_t)f.rip, 0, (uint32_t)f.rdp, f.fop};
    const uint64_t more[] = {r->orig_rax, r->fs_base, r->gs_base};
    at = put(at, general, sizeof general);
    at = put(at, segments, sizeof segments);
    for (unsigned i = 0; i < 8; i++)
        at = put(at, (const uint8_t *)f.st_space + i * UINT64_C(16), 10);
    at = put(at, control, sizeof control);
    at = put(at, more, sizeof more);
    return (size_t)(at - to);
}
