#include "worker/crash.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/document_fingerprint.h"

/* Signals that a process gets from its own faults. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS};
#define FAULTS (sizeof faults / sizeof *faults)

/* Of the stack that a thread handles its faults on: the handler needs a few KiB, and the
   kernel up to 12 for the registers of some processors. */
#define STACK_BYTES ((size_t)64 << 10)

/* Written by a dying worker, read and emptied by the master after its end. */
struct crash_note {
    atomic_bool filled;
    struct wire_id document;
};

/* Written by the master, read by workers. */
struct crash_record {
    _Atomic uint64_t at_ns; /* 0 for none, and while it is being written */
    struct wire_crash crash;
};

struct crash_board {
    struct crash_note notes[CRASH_PLACES];
    unsigned next; /* the record to be written next; the master's */
    struct crash_record records[WIRE_MAX_CRASHES];
};

/* Of this process; what a signal handler finds. */
static struct crash_note *own_note;
static pid_t own_pid;
static __thread struct slice blamed;
static __thread bool has_stack; /* a fault of this thread can be handled in any case */

int crash_create_fd(void)
{
    int fd = memfd_create("offloop-crashes", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, sizeof(struct crash_board)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct crash_board *crash_open(int fd)
{
    void *board =
        mmap(NULL, sizeof(struct crash_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return board == MAP_FAILED ? NULL : board;
}

/* True where the signal is this process's own doing: a fault, or abort(). */
static bool is_own_fault(const siginfo_t *info)
{
    return info->si_code > 0 || info->si_pid == own_pid;
}

/* The handler is gone by now (SA_RESETHAND): what is done again ends the process. A call
   that the sandbox forbids is not done again: it was passed over. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (blamed.data != NULL && is_own_fault(info)) {
        struct slice document = blamed;

        blamed.data = NULL;
        document_fingerprint_of(document, (struct slice){NULL, 0}, &own_note->document);
        atomic_store(&own_note->filled, true);
    }
    if (info->si_code <= 0 || number == SIGSYS)
        raise(number); /* not met again by going on */
}

void crash_watch(struct crash_board *board, unsigned index)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_ONSTACK};

    if (index >= CRASH_PLACES)
        return;
    own_note = &board->notes[index];
    own_pid = getpid();
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < FAULTS; i++)
        sigaction(faults[i], &action, NULL);
}

/* A thread that has used up its stack has none to handle that on. For the rest of the
   thread; one that it has already (a sanitizer's) stays. */
static void prepare_stack(void)
{
    stack_t stack;

    has_stack = true;
    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0)
        return;
    stack = (stack_t){.ss_size = STACK_BYTES};
    stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED)
        (void)sigaltstack(&stack, NULL);
}

void crash_blame(struct slice document)
{
    if (own_note == NULL)
        return;
    if (!has_stack)
        prepare_stack();
    blamed = document;
}

void crash_blame_nobody(void)
{
    blamed.data = NULL;
}

static bool is_crash(int status)
{
    for (unsigned i = 0; i < FAULTS; i++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == faults[i])
            return true;
    return false;
}

void crash_take_note(struct crash_board *board, unsigned index, int status,
                     uint64_t now_ns)
{
    struct crash_record *record = &board->records[board->next % WIRE_MAX_CRASHES];
    struct crash_note *note;

    assert(now_ns > 0);
    if (index >= CRASH_PLACES)
        return;
    note = &board->notes[index];
    if (!atomic_exchange(&note->filled, false) || !is_crash(status))
        return;
    board->next++;
    atomic_store(&record->at_ns, 0);
    record->crash = (struct wire_crash){note->document, (unsigned)WTERMSIG(status)};
    atomic_store(&record->at_ns, now_ns);
}

unsigned crash_list(struct crash_board *board, uint64_t now_ns,
                    struct wire_crash crashes_r[WIRE_MAX_CRASHES])
{
    unsigned count = 0;

    for (unsigned i = 0; i < WIRE_MAX_CRASHES; i++) {
        struct crash_record *record = &board->records[i];
        uint64_t at_ns = atomic_load(&record->at_ns);

        if (at_ns == 0 || at_ns + CRASH_TOLD_NS < now_ns)
            continue;
        crashes_r[count] = record->crash;
        count += atomic_load(&record->at_ns) == at_ns; /* not while it was changed */
    }
    return count;
}
