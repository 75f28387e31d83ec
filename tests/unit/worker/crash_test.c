/* What is noted of a dying process, and what of that is told. The dying ones are real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/document_fingerprint.h"
#include "worker/sandbox/sandbox.h"
#include "worker/sandbox/sandbox_calls.h"
#include "worker/crash.h"

#define PLACE 3

static struct crash_board *board;
static const struct slice document = {(const uint8_t *)"a document", 10};

static int setup(void **state)
{
    int fd = crash_create_fd();

    (void)state;
    board = crash_open(fd);
    close(fd);
    return board == NULL;
}

/* Runs `die` in a child that watches its crashes; returns how it ended. */
static int status_after(void (*die)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        for (int number = 1; number < 32; number++)
            signal(number, SIG_DFL); /* cmocka's and the sanitizers' */
        crash_watch(board, PLACE);
        die();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static unsigned told(uint64_t now_ns)
{
    struct wire_crash crashes[WIRE_MAX_CRASHES];
    struct wire_id expected;
    unsigned count = crash_list(board, now_ns, crashes);

    document_fingerprint_of(document, (struct slice){NULL, 0}, &expected);
    for (unsigned i = 0; i < count; i++)
        assert_true(document_fingerprint_is(&crashes[i].document, &expected));
    return count;
}

static void abort_at_work(void)
{
    crash_blame(document);
    abort();
}

static void segv_at_work(void)
{
    volatile int *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    crash_blame(document);
    *page = 1;
}

/* Needs more stack than there is. */
static unsigned go_deeper(volatile unsigned *depth)
{
    volatile char page[4096];

    page[0] = (char)*depth;
    if (++*depth == UINT32_MAX)
        return 0;
    return go_deeper(depth) + (unsigned)page[0];
}

static void *overflow(void *unused)
{
    volatile unsigned depth = 0;

    crash_blame(document);
    (void)go_deeper(&depth);
    return unused;
}

static void overflow_at_work(void)
{
    overflow(NULL);
}

/* As jobs run: not on the main thread. */
static void overflow_in_a_thread(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, overflow, NULL);
    pthread_join(thread, NULL);
}

static void call_what_is_forbidden(void)
{
    if (sandbox_calls_load() != 0)
        _exit(1);
    crash_blame(document);
    syscall(SYS_getppid);
    _exit(0); /* the call was passed over, and that was all */
}

/* What is taken over by its input must not live on after a forbidden call. */
static void call_what_is_forbidden_with_a_handler(void)
{
    if (sandbox_calls_load() != 0)
        _exit(1);
    crash_blame(document);
    signal(SIGSYS, SIG_IGN);
    _exit(0);
}

static void abort_after_work(void)
{
    crash_blame(document);
    crash_blame_nobody();
    abort();
}

static void *die_elsewhere(void *unused)
{
    (void)unused;
    abort();
}

static void abort_in_another_thread(void)
{
    pthread_t thread;

    crash_blame(document);
    pthread_create(&thread, NULL, die_elsewhere, NULL);
    pthread_join(thread, NULL);
}

/* From outside: a child of the child sends it. */
static void be_sent(int number)
{
    crash_blame(document);
    if (fork() == 0) {
        kill(getppid(), number);
        _exit(0);
    }
    for (;;)
        pause();
}

static void be_sent_kill(void)
{
    be_sent(SIGKILL);
}

static void be_sent_abort(void)
{
    be_sent(SIGABRT);
}

static void live(void)
{
    crash_blame(document);
}

static void expect(void (*die)(void), int number, unsigned records)
{
    int status = status_after(die);

    assert_int_equal(number, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    crash_take_note(board, PLACE, status, 5);
    assert_int_equal(told(5), records);
}

static void own_faults_at_work_are_told(void **state)
{
    (void)state;
    expect(abort_at_work, SIGABRT, 1);
    expect(segv_at_work, SIGSEGV, 2);
}

static void a_stack_used_up_is_told(void **state)
{
    (void)state;
    expect(overflow_at_work, SIGSEGV, 1);
    expect(overflow_in_a_thread, SIGSEGV, 2);
}

static void a_forbidden_call_is_told(void **state)
{
    (void)state;
    if (!sandbox_is_possible())
        skip();
    expect(call_what_is_forbidden, SIGSYS, 1);
    expect(call_what_is_forbidden_with_a_handler, SIGSYS, 2);
}

static void other_ends_are_not(void **state)
{
    (void)state;
    expect(abort_after_work, SIGABRT, 0);
    expect(abort_in_another_thread, SIGABRT, 0);
    expect(be_sent_kill, SIGKILL, 0);
    expect(be_sent_abort, SIGABRT, 0);
    expect(live, 0, 0);
}

/* It noted something and then, somehow, ended otherwise. */
static void a_note_alone_is_not_enough(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(status_after(abort_at_work)));
    crash_take_note(board, PLACE, SIGKILL, 5); /* a status: killed */
    assert_int_equal(told(5), 0);
    crash_take_note(board, PLACE, SIGABRT, 5); /* the note is gone */
    assert_int_equal(told(5), 0);
    crash_take_note(board, CRASH_PLACES, SIGABRT, 5); /* a place that is none */
    assert_int_equal(told(5), 0);
}

static void records_grow_old_and_are_pushed_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= WIRE_MAX_CRASHES; i++) {
        int status = status_after(abort_at_work);

        crash_take_note(board, PLACE, status, 5 + i);
    }
    assert_int_equal(told(10), WIRE_MAX_CRASHES);
    assert_int_equal(told(6 + CRASH_TOLD_NS), WIRE_MAX_CRASHES);
    assert_int_equal(told(7 + CRASH_TOLD_NS), WIRE_MAX_CRASHES - 1);
    assert_int_equal(told(100 + CRASH_TOLD_NS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(own_faults_at_work_are_told, setup),
        cmocka_unit_test_setup(a_stack_used_up_is_told, setup),
        cmocka_unit_test_setup(a_forbidden_call_is_told, setup),
        cmocka_unit_test_setup(other_ends_are_not, setup),
        cmocka_unit_test_setup(a_note_alone_is_not_enough, setup),
        cmocka_unit_test_setup(records_grow_old_and_are_pushed_out, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
