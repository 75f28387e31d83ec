#include "common/master/master.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/master/master_change.h"
#include "common/process/notify.h"

/* Longest sleep, in ms, that poll() can be asked for. */
#define SLEEP_MAX_MS 1000000

/* The signals that a master acts on. */
static sigset_t master_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    return set;
}

void master_hold_signals(void)
{
    sigset_t set = master_signals();

    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Makes the signals arrive at a descriptor only. */
static int open_signals(void)
{
    sigset_t set = master_signals();

    master_hold_signals();
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void begin_drain(struct master *master)
{
    if (master->draining)
        return;
    master->draining = true;
    notify_send(NOTIFY_STOPPING);
    if (master->hooks->on_drain != NULL)
        master->hooks->on_drain(master->hooks->context, master->plan);
}

static void announce(struct master *master)
{
    master->announced = true;
    master->hooks->on_ready(master->hooks->context, master->plan);
    notify_send(NOTIFY_READY);
}

/* Starts the children whose turn has come. Announces the first time that all are ready.
 */
static void advance_start(struct master *master)
{
    struct master_set *children = &master->children;

    for (unsigned i = 0; i < children->count; i++) {
        struct master_child *child = children->items[i];

        if (child->state == MASTER_CHILD_WAITING &&
            master_set_may_start(children, child) &&
            master_change_may_start(master, child))
            master_child_start(child);
    }
    if (!master->announced && master_set_is_ready(children, master->plan))
        announce(master);
}

/* Stops the highest stage that still has a child. Goes on to the next stage at once where
   that one had no process. */
static void advance_drain(struct master *master)
{
    const struct master_plan *plan = master->plan;
    struct master_set *children = &master->children;
    unsigned last = master_set_last_stage(children);

    for (unsigned stage = last + 1;
         stage-- > 0 && !master_set_lives(children, stage + 1);)
        for (unsigned i = 0; i < children->count; i++)
            if (children->items[i]->stage >= stage)
                master_child_stop(children->items[i],
                                  plan->grace_ns +
                                      (stage == last ? plan->drain_timeout_ns : 0));
}

/* The ms until the earliest wake_ns; -1 for never. */
static int next_timeout(const struct master *master)
{
    uint64_t next_ns = master->watchdog_next_ns, now_ns = clock_now_ns(), wait_ms;

    for (unsigned i = 0; i < master->children.count; i++)
        if (master->children.items[i]->wake_ns < next_ns)
            next_ns = master->children.items[i]->wake_ns;
    if (next_ns == MASTER_NEVER)
        return -1;
    /* rounded up: else the loop would spin for the last millisecond */
    wait_ms = next_ns > now_ns ? (next_ns - now_ns) / NS_PER_MS + 1 : 0;
    return wait_ms < SLEEP_MAX_MS ? (int)wait_ms : SLEEP_MAX_MS;
}

/* Sends nothing while a child hangs: then the service manager restarts the daemon. */
static void feed_watchdog(struct master *master, uint64_t now_ns)
{
    if (master->watchdog_next_ns > now_ns)
        return;
    if (!master_set_is_silent(&master->children))
        notify_send(NOTIFY_WATCHDOG);
    master->watchdog_next_ns = now_ns + master->watchdog_ns;
}

/* Does all that is due. */
static void advance(struct master *master)
{
    uint64_t now_ns = clock_now_ns();

    feed_watchdog(master, now_ns);
    for (unsigned i = 0; i < master->children.count; i++)
        if (master->children.items[i]->wake_ns <= now_ns)
            master_child_wake(master->children.items[i]);
    if (master->draining) {
        advance_drain(master);
    } else {
        master_change_advance(master);
        advance_start(master);
        master_set_sweep(&master->children);
    }
}

/* True where the end of a child means that the daemon cannot start at all. */
static bool is_start_failure(const struct master *master,
                             const struct master_child *child, int status)
{
    return !master->announced && !master->draining &&
           child->state == MASTER_CHILD_STARTING && WIFEXITED(status) &&
           (WEXITSTATUS(status) == EXIT_FATAL || WEXITSTATUS(status) == EXIT_USAGE);
}

/* The process with this pid is gone: no signal may be sent to the pid any more. */
static void child_ended(struct master *master, pid_t pid, int status)
{
    struct master_child *child = master_set_find(&master->children, pid);
    bool fatal, undone;

    if (child == NULL) /* not started by a master, but reparented to this process */
        return;
    master_child_read_messages(child);
    if (master->hooks->on_end != NULL)
        master->hooks->on_end(master->hooks->context, &child->self, status);
    fatal = is_start_failure(master, child, status);
    undone = master_change_is_undone(master, child, status);
    if (fatal)
        master->exit_status = EXIT_FATAL;
    master_child_ended(child, status,
                       !undone && !master->killed && master->exit_status == 0);
    if (fatal) {
        log_warn("cannot start: the lines of %s %u above say why",
                 spawn_role_name(child->self.role), child->self.index);
        begin_drain(master);
    }
    if (undone)
        master_change_undo(master);
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        child_ended(master, pid, status);
}

/* INT has come a second time: the user pressed Ctrl-C twice. */
static void kill_all(struct master *master)
{
    master->killed = true;
    log_warn("interrupted again: killing all children");
    for (unsigned i = 0; i < master->children.count; i++)
        master_child_kill(master->children.items[i]);
}

static void take_signal(struct master *master, int number)
{
    switch (number) {
    case SIGINT:
    case SIGTERM:
        if (!master->draining)
            log_info("draining");
        begin_drain(master);
        if (number == SIGINT && master->interrupted)
            kill_all(master);
        master->interrupted |= number == SIGINT;
        break;
    case SIGHUP: master->reload_wanted = true; break;
    case SIGUSR2:
        master->upgrade_wanted = master->hooks->on_upgrade != NULL;
        if (!master->upgrade_wanted)
            log_info("this daemon has no upgrade by SIGUSR2: it is ignored");
        break;
    case SIGCHLD: reap(master); break;
    default: log_info("signal %d is ignored", number); break;
    }
}

static void read_signals(struct master *master)
{
    struct signalfd_siginfo info;
    ssize_t n;

    while ((n = read(master->signal_fd, &info, sizeof info)) == (ssize_t)sizeof info)
        take_signal(master, (int)info.ssi_signo);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        log_fatal("signalfd: %m");
}

/* Waits for signals and for the children's messages. Reads the messages first, because a
   child that died has sent them before its end. */
static void wait_for_events(struct master *master)
{
    struct master_set *children = &master->children;
    size_t count = 1 + (size_t)children->count;

    master->polled = mem_realloc(master->polled, count * sizeof *master->polled);
    master->polled[0] = (struct pollfd){.fd = master->signal_fd, .events = POLLIN};
    for (unsigned i = 0; i < children->count; i++)
        master->polled[1 + i] =
            (struct pollfd){.fd = children->items[i]->control_fd, .events = POLLIN};
    if (poll(master->polled, count, next_timeout(master)) < 0) {
        if (errno != EINTR)
            log_fatal("poll: %m");
        return;
    }
    for (unsigned i = 0; i < children->count; i++)
        if (master->polled[1 + i].revents != 0)
            master_child_read_messages(children->items[i]);
    if (master->polled[0].revents != 0)
        read_signals(master);
}

/* Adds the first children, or adopts those of the master before. */
static void open_children(struct master *master, const struct handover *left)
{
    if (left == NULL) {
        master_set_add(&master->children, master->hooks->program, master->plan, false,
                       master->generation);
        assert(master->children.count > 0);
        return;
    }
    master_change_adopt(master, left);
    log_info("upgraded: generation %llu serves", (unsigned long long)master->generation);
    announce(master);
    reap(master); /* children that ended during the exec */
}

static void close_children(struct master *master)
{
    if (master->coming != NULL)
        master->hooks->on_retire(master->hooks->context, master->coming);
    master_set_free(&master->children);
    mem_free(master->polled);
    close(master->signal_fd);
}

int master_run(const struct master_hooks *hooks, const struct master_plan *plan,
               const struct handover *left)
{
    struct master master = {.hooks = hooks, .plan = plan, .generation = 1};

    master.watchdog_ns = notify_watchdog_ns();
    master.watchdog_next_ns = master.watchdog_ns > 0 ? 0 : MASTER_NEVER;
    master.signal_fd = open_signals();
    if (master.signal_fd < 0)
        log_fatal("signalfd: %m");
    open_children(&master, left);
    for (;;) {
        advance(&master);
        if (master.draining && !master_set_lives(&master.children, 0))
            break;
        wait_for_events(&master);
    }
    close_children(&master);
    return master.exit_status;
}
