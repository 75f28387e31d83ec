/* The worker's sandbox: a process that enters it and then tries what a job taken over by
   its input would try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "worker/sandbox/sandbox.h"

#define MEMORY_BYTES (64u << 20)

static void try_open(void)
{
    _exit(open("/etc/passwd", O_RDONLY) < 0);
}

static void try_create(void)
{
    _exit(open("/tmp/offloop-escaped", O_WRONLY | O_CREAT, 0600) < 0);
}

static void try_execve(void)
{
    execl("/bin/true", "true", NULL);
}

static void try_fork(void)
{
    _exit(fork() != 0);
}

static void try_raw_clone(void)
{
    syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void try_kill(void)
{
    kill(getppid(), 0);
}

static void try_tgkill_others(void)
{
    syscall(SYS_tgkill, getpid() - 1, getpid() - 1, 0);
}

static void try_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_packet_socket(void)
{
    socket(AF_PACKET, SOCK_RAW, 0);
}

static void try_listen(void)
{
    listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static void try_outlive(void)
{
    _exit(signal(SIGSYS, SIG_IGN) == SIG_ERR);
}

static void try_unlink(void)
{
    unlink("/tmp/offloop-none");
}

static void try_code(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
         0);
}

static void try_make_code(void)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void try_seccomp_again(void)
{
    prctl(PR_SET_SECCOMP, 1, 0, 0, 0);
}

static void *open_in_thread(void *gate)
{
    pthread_mutex_lock(gate);
    _exit(open("/etc/passwd", O_RDONLY) < 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} forbidden[] = {
    {"open", try_open},
    {"create", try_create},
    {"execve", try_execve},
    {"fork", try_fork},
    {"clone", try_raw_clone},
    {"kill", try_kill},
    {"tgkill", try_tgkill_others},
    {"ptrace", try_ptrace},
    {"a packet socket", try_packet_socket},
    {"listen", try_listen},
    {"unlink", try_unlink},
    {"executable memory", try_code},
    {"memory made executable", try_make_code},
    {"another filter", try_seccomp_again},
    {"a handler for SIGSYS", try_outlive},
};

static void enter(void)
{
    struct sandbox sandbox;

    signal(SIGSYS, SIG_DFL); /* cmocka's handler, which a worker has not */
    if (sandbox_close_files(&sandbox, 10) != 0 ||
        sandbox_close_calls(&sandbox, MEMORY_BYTES) != 0)
        _exit(9);
}

/* Runs it in a process of its own that is sandboxed; returns waitpid()'s status. */
static int in_sandbox(void (*run)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        enter();
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void what_is_forbidden_kills(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        int status = in_sandbox(forbidden[i].run);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("%s: status %x, not SIGSYS", forbidden[i].name, (unsigned)status);
    }
    assert_int_equal(access("/tmp/offloop-escaped", F_OK), -1);
}

/* nng's threads are there before the filter is. */
static void other_threads_are_sandboxed_too(void **state)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        pthread_mutex_lock(&gate);
        pthread_create(&thread, NULL, open_in_thread, &gate);
        enter();
        pthread_mutex_unlock(&gate);
        pthread_join(thread, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void work(void)
{
    char *block = malloc(MEMORY_BYTES);
    struct timespec now;
    int ends[2];

    memset(block, 1, MEMORY_BYTES);
    free(block);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], "x", 1) != 1 ||
        socket(AF_UNIX, SOCK_STREAM, 0) < 0 || socket(AF_INET, SOCK_STREAM, 0) < 0)
        _exit(1);
    log_info("work is done");
}

static void work_goes_on(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(work), 0);
}

static void fail_an_assertion(void)
{
    abort();
}

/* So that its master reads what it was from the signal. */
static void aborting_is_aborting(void **state)
{
    int status = in_sandbox(fail_an_assertion);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void use_up_memory(void)
{
    /* eight GiB are spare for messages and shared memory */
    for (int gib = 0; gib < 12; gib++)
        if (mmap(NULL, (size_t)1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
            MAP_FAILED)
            _exit(errno == ENOMEM && gib >= 8 ? 0 : 1);
    _exit(2);
}

static void make_sockets(void)
{
    int count = 0;

    while (count < 1000 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
        count++;
    _exit(errno == EMFILE && count >= 10 && count < 64 + 10 ? 0 : 1);
}

static void resources_are_limited(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(use_up_memory), 0);
    assert_int_equal(in_sandbox(make_sockets), 0);
}

/* Between the halves nng starts: files are closed already where the kernel has Landlock.
 */
static void files_are_closed_first(void **state)
{
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct sandbox sandbox;
        int fd;

        if (sandbox_close_files(&sandbox, 10) != 0 ||
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
            _exit(1);
        fd = open("/etc/passwd", O_RDONLY);
        _exit(has_landlock ? !(fd < 0 && errno == EACCES) : fd < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forbidden_kills),
        cmocka_unit_test(other_threads_are_sandboxed_too),
        cmocka_unit_test(work_goes_on),
        cmocka_unit_test(aborting_is_aborting),
        cmocka_unit_test(resources_are_limited),
        cmocka_unit_test(files_are_closed_first),
    };

    log_open("sandbox-test", NULL);
    if (!sandbox_is_possible())
        return 0; /* a build with sanitizers */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
