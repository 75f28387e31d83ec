#include "tests/process/support/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"

/* How long nothing may happen before a test is taken for hanging. */
#define PATIENCE_MS 60000

struct daemon {
    pid_t pid;
    int output_fd;
    struct buf lines; /* all that came, NUL-terminated behind len */
    size_t read;      /* bytes of it that daemon_expect() has looked at */
    char *line;       /* what it returned last */
    int status;       /* of the master; -1 while it lives */
};

static void become(const char *const argv[], int output_fd)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* its children end with it */
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* The one that a test has; what a failed test leaves behind, the next one ends. */
static struct daemon *running;

static void end_leftovers(void)
{
    if (running == NULL)
        return;
    daemon_destroy(&running);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

struct daemon *daemon_start(const char *const argv[])
{
    struct daemon *daemon;
    int ends[2];

    end_leftovers();
    daemon = running = mem_zalloc(sizeof *daemon);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    daemon->output_fd = ends[0];
    daemon->status = -1;
    daemon->pid = fork();
    assert_true(daemon->pid >= 0);
    if (daemon->pid == 0)
        become(argv, ends[1]);
    setpgid(daemon->pid, daemon->pid); /* whoever is first */
    close(ends[1]);
    return daemon;
}

pid_t daemon_pid(const struct daemon *daemon)
{
    return daemon->pid;
}

void daemon_signal(struct daemon *daemon, int number)
{
    assert_int_equal(kill(daemon->pid, number), 0);
}

/* Reads what is there, waiting for something; 0 at the end of file. */
static int read_more(struct daemon *daemon)
{
    struct pollfd polled = {.fd = daemon->output_fd, .events = POLLIN};
    uint8_t *at = buf_reserve(&daemon->lines, 4096);
    ssize_t n;

    if (poll(&polled, 1, PATIENCE_MS) == 0)
        fail_msg("nothing for %d ms after:\n%s", PATIENCE_MS,
                 daemon->lines.len ? (char *)daemon->lines.data : "");
    n = read(daemon->output_fd, at, 4095);
    assert_true(n >= 0);
    daemon->lines.len += (size_t)n;
    daemon->lines.data[daemon->lines.len] = '\0';
    return n > 0;
}

/* Takes the next whole line as daemon->line; false where there is none yet. */
static int next_line(struct daemon *daemon)
{
    char *start, *end;

    if (daemon->lines.len == 0)
        return 0;
    start = (char *)daemon->lines.data + daemon->read;
    end = strchr(start, '\n');
    if (end == NULL)
        return 0;
    mem_free(daemon->line);
    daemon->line = str_printf("%.*s", (int)(end - start), start);
    daemon->read += (size_t)(end - start) + 1;
    return 1;
}

const char *daemon_expect(struct daemon *daemon, const char *part)
{
    for (;;) {
        while (next_line(daemon))
            if (strstr(daemon->line, part) != NULL)
                return daemon->line;
        if (!read_more(daemon))
            fail_msg("\"%s\" is missing after:\n%s", part,
                     daemon->lines.len ? (char *)daemon->lines.data : "");
    }
}

void daemon_await(struct daemon *daemon, const char *part, unsigned count)
{
    while (daemon_count(daemon, part) < count)
        if (!read_more(daemon))
            fail_msg("\"%s\" is missing after:\n%s", part,
                     daemon->lines.len ? (char *)daemon->lines.data : "");
}

unsigned daemon_count(const struct daemon *daemon, const char *part)
{
    const char *at = (const char *)daemon->lines.data;
    unsigned count = 0;

    while (at != NULL && (at = strstr(at, part)) != NULL) {
        count++;
        at = strchr(at, '\n');
    }
    return count;
}

int daemon_is_order(const struct daemon *daemon, const char *one, const char *other)
{
    const char *first = strstr((const char *)daemon->lines.data, one);
    const char *second = strstr((const char *)daemon->lines.data, other);

    return first != NULL && second != NULL && first < second;
}

int daemon_wait(struct daemon *daemon)
{
    int status;

    while (read_more(daemon))
        ;
    if (daemon->status == -1) {
        assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
        daemon->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    return daemon->status;
}

void daemon_destroy(struct daemon **daemon)
{
    struct daemon *d = *daemon;

    *daemon = NULL;
    if (d == NULL)
        return;
    running = NULL;
    if (d->status == -1) {
        kill(-d->pid, SIGKILL);
        waitpid(d->pid, NULL, 0);
    }
    close(d->output_fd);
    buf_free(&d->lines);
    mem_free(d->line);
    mem_free(d);
}

pid_t daemon_find_child(const struct daemon *daemon, const char *name)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;

    while ((entry = readdir(proc)) != NULL) {
        char path[300], text[300] = "", comm[64];
        int pid, parent;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(text, sizeof text, file) != NULL &&
            sscanf(text, "%d (%63[^)]) %*c %d", &pid, comm, &parent) == 3 &&
            parent == daemon->pid && strstr(comm, name) != NULL && pid > found)
            found = pid;
        fclose(file);
    }
    closedir(proc);
    return found;
}

void daemon_adopt_orphans(void)
{
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

void daemon_end(struct daemon *daemon)
{
    daemon_destroy(&daemon);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        fail_msg("a child was left behind");
    assert_int_equal(errno, ECHILD);
}
