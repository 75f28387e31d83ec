#include "common/master/master_child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/process/launch.h"
#include "common/base/log.h"
#include "common/process/process.h"

/* The changes of state that can happen. A process that died is replaced from STARTING or
   READY, at once (STARTING) or later (PAUSED). */
static bool may_change(enum master_child_state from, enum master_child_state to)
{
    switch (from) {
    case MASTER_CHILD_WAITING: return to != MASTER_CHILD_WAITING;
    case MASTER_CHILD_PAUSED:
        return to == MASTER_CHILD_STARTING || to == MASTER_CHILD_PAUSED ||
               to == MASTER_CHILD_GONE;
    case MASTER_CHILD_STARTING: return to != MASTER_CHILD_WAITING;
    case MASTER_CHILD_READY:
        return to != MASTER_CHILD_WAITING && to != MASTER_CHILD_READY;
    case MASTER_CHILD_STOPPING: return to == MASTER_CHILD_GONE;
    case MASTER_CHILD_GONE: return false;
    }
    return false;
}

/* The only function that sets a child's state. */
static void enter_state(struct master_child *child, enum master_child_state state,
                        uint64_t wake_ns)
{
    bool has_process = state == MASTER_CHILD_STARTING || state == MASTER_CHILD_READY ||
                       state == MASTER_CHILD_STOPPING;

    assert(has_process == (child->pid > 0) && may_change(child->state, state));
    child->state = state;
    child->wake_ns = wake_ns;
}

struct master_child *master_child_create(const char *program,
                                         const struct master_plan *plan,
                                         const struct master_role *role, unsigned index,
                                         uint64_t generation)
{
    struct master_child *child = mem_zalloc(sizeof *child);

    child->program = program;
    child->plan = plan;
    child->plan_role = role;
    child->self = (struct spawn_self){role->role, index, generation};
    child->stage = role->stage;
    child->control_fd = -1;
    child->state = MASTER_CHILD_WAITING;
    child->wake_ns = MASTER_NEVER;
    return child;
}

void master_child_move(struct master_child *child, const struct master_plan *plan,
                       const struct master_role *role)
{
    assert(child->self.role == role->role && child->stage == role->stage);
    child->plan = plan;
    child->plan_role = role;
}

void master_child_retire(struct master_child *child, uint64_t kill_after_ns)
{
    if (!master_child_is_wanted(child))
        return;
    child->plan = NULL;
    child->plan_role = NULL;
    child->old = true;
    child->kill_after_ns = kill_after_ns;
    if (child->pid == 0)
        enter_state(child, MASTER_CHILD_GONE, MASTER_NEVER);
}

void master_child_adopt(struct master_child *child, pid_t pid, int control_fd,
                        enum master_child_state state, uint64_t wake_ns)
{
    assert(child->state == MASTER_CHILD_WAITING && pid > 0);
    child->pid = pid;
    child->control_fd = control_fd;
    enter_state(child, state, wake_ns);
}

bool master_child_is_wanted(const struct master_child *child)
{
    return child->state != MASTER_CHILD_STOPPING && child->state != MASTER_CHILD_GONE;
}

/* "front 0" for the log: arguments for "%s %u". */
#define NAME(child) spawn_role_name((child)->self.role), (child)->self.index

static void close_control(struct master_child *child)
{
    if (child->control_fd >= 0)
        close(child->control_fd);
    child->control_fd = -1;
}

void master_child_destroy(struct master_child **child)
{
    assert((*child)->pid == 0);
    close_control(*child);
    mem_free(*child);
    *child = NULL;
}

/* The pause after that many early deaths in a row. */
static uint64_t pause_ns(unsigned failures)
{
    uint64_t pause_ms = MASTER_PAUSE_MIN_MS;

    while (--failures > 0 && pause_ms < MASTER_PAUSE_MAX_MS)
        pause_ms *= 2;
    return (pause_ms < MASTER_PAUSE_MAX_MS ? pause_ms : MASTER_PAUSE_MAX_MS) * NS_PER_MS;
}

static void pause_child(struct master_child *child)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t pause;

    if (now_ns - child->started_ns >= MASTER_PAUSE_MAX_MS * NS_PER_MS)
        child->failures = 0;
    pause = pause_ns(++child->failures);
    log_info("%s %u is started again in %llu ms", NAME(child),
             (unsigned long long)(pause / NS_PER_MS));
    enter_state(child, MASTER_CHILD_PAUSED, now_ns + pause);
}

void master_child_start(struct master_child *child)
{
    const struct master_plan *plan = child->plan;
    const struct master_role *role = child->plan_role;
    struct launch launch = {
        .program = child->program,
        .path = plan->path != NULL ? plan->path : "/proc/self/exe",
        .self = child->self,
        .config_fd = plan->config_fd,
        .shared_fd = plan->shared_fd,
        .fds = role->fds,
        .fd_count = role->fd_count,
    };
    pid_t pid;

    assert(child->pid == 0 && child->control_fd < 0);
    child->did = child->silent = child->tells_alive = false;
    child->started_ns = clock_now_ns();
    pid = launch_child(&launch, &child->control_fd);
    if (pid < 0) {
        log_warn("cannot start %s %u: %m", NAME(child));
        pause_child(child);
        return;
    }
    child->pid = pid;
    enter_state(child, MASTER_CHILD_STARTING,
                child->started_ns + MASTER_START_MS * NS_PER_MS);
}

/* How long this child may be silent. */
static uint64_t silent_ms(const struct master_child *child)
{
    const struct master_role *role = child->plan_role;

    return role != NULL && role->silent_ms > 0 ? role->silent_ms : MASTER_SILENT_MS;
}

/* A sign of life has come. The next one is due within next_ms. */
static void take_alive(struct master_child *child, uint64_t next_ms)
{
    if (child->silent)
        log_info("%s %u (pid %d) answers again", NAME(child), (int)child->pid);
    child->silent = false;
    child->tells_alive = true;
    if (child->state == MASTER_CHILD_READY)
        child->wake_ns = clock_now_ns() + next_ms * NS_PER_MS;
}

static void take_ready(struct master_child *child)
{
    if (child->state != MASTER_CHILD_STARTING)
        return;
    enter_state(child, MASTER_CHILD_READY,
                child->tells_alive ? clock_now_ns() + silent_ms(child) * NS_PER_MS
                                   : MASTER_NEVER);
}

static void take_message(struct master_child *child, unsigned char message)
{
    switch (message) {
    case SPAWN_READY: take_ready(child); break;
    case SPAWN_DID: child->did = true; break;
    case SPAWN_ALIVE: take_alive(child, silent_ms(child)); break;
    case SPAWN_BUSY: take_alive(child, SPAWN_BUSY_MS); break;
    default: break; /* a newer binary may send more */
    }
}

void master_child_read_messages(struct master_child *child)
{
    unsigned char message;
    ssize_t n;

    while (child->control_fd >= 0) {
        n = recv(child->control_fd, &message, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            close_control(child); /* the process is ending: waitpid() tells its status */
        else
            take_message(child, message);
    }
}

void master_child_stop(struct master_child *child, uint64_t kill_after_ns)
{
    if (child->state == MASTER_CHILD_STOPPING || child->state == MASTER_CHILD_GONE)
        return;
    if (child->pid == 0) {
        enter_state(child, MASTER_CHILD_GONE, MASTER_NEVER);
        return;
    }
    kill(child->pid, SIGTERM);
    enter_state(child, MASTER_CHILD_STOPPING, clock_now_ns() + kill_after_ns);
}

void master_child_kill(struct master_child *child)
{
    if (child->pid == 0)
        return;
    kill(child->pid, SIGKILL);
    child->wake_ns = MASTER_NEVER;
}

/* True for an end that is not logged: a drain, or a child that ended by itself after it
   had done work. */
static bool is_expected_end(const struct master_child *child, int status)
{
    bool stopping = child->state == MASTER_CHILD_STOPPING;

    if (WIFSIGNALED(status))
        return stopping && WTERMSIG(status) == SIGTERM; /* TERM came before its handler */
    return WEXITSTATUS(status) == 0 && (stopping || child->did);
}

static void log_end(const struct master_child *child, int status)
{
    struct buf end = BUF_INIT;

    process_print_end(status, &end);
    log_warn("%s %u (pid %d) ended: %.*s", NAME(child), (int)child->pid, (int)end.len,
             (const char *)end.data);
    buf_free(&end);
}

void master_child_ended(struct master_child *child, int status, bool again)
{
    assert(child->pid > 0);
    master_child_read_messages(child); /* it may have sent some just before */
    close_control(child);
    if (!is_expected_end(child, status))
        log_end(child, status);
    child->pid = 0;
    if (child->state == MASTER_CHILD_STOPPING || child->old || !again) {
        enter_state(child, MASTER_CHILD_GONE, MASTER_NEVER);
    } else if (child->did) {
        child->failures = 0;
        master_child_start(child);
    } else {
        pause_child(child);
    }
}

/* The child was silent for too long. */
static void handle_silence(struct master_child *child)
{
    bool is_killed = child->plan_role != NULL && child->plan_role->kill_silent;

    child->silent = true;
    child->wake_ns = MASTER_NEVER;
    log_warn("%s %u (pid %d) gives no sign of life%s", NAME(child), (int)child->pid,
             is_killed ? " and is killed" : "");
    if (is_killed)
        master_child_kill(child);
}

void master_child_wake(struct master_child *child)
{
    if (child->state == MASTER_CHILD_PAUSED) {
        master_child_start(child);
    } else if (child->state == MASTER_CHILD_READY) {
        handle_silence(child);
    } else {
        log_warn("%s %u (pid %d) has not %s in time and is killed", NAME(child),
                 (int)child->pid,
                 child->state == MASTER_CHILD_STOPPING ? "drained" : "become ready");
        master_child_kill(child);
    }
}

/* The lowest index that no child of that role has. */
static unsigned free_index(const struct master_set *set, enum spawn_role role)
{
    unsigned index = 0;

    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->self.role == role && set->items[i]->self.index == index) {
            index++;
            i = (unsigned)-1; /* start again at the first child */
        }
    return index;
}

void master_set_add(struct master_set *set, const char *program,
                    const struct master_plan *plan, bool only_renewed,
                    uint64_t generation)
{
    for (size_t r = 0; r < plan->role_count; r++) {
        const struct master_role *role = &plan->roles[r];

        for (unsigned n = 0; n < role->count && (role->renewed || !only_renewed); n++)
            master_set_append(set, master_child_create(program, plan, role,
                                                       free_index(set, role->role),
                                                       generation));
    }
}

static bool wants(const struct master_set *set, const struct master_plan *plan,
                  enum spawn_role role)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->plan == plan && set->items[i]->self.role == role &&
            master_child_is_wanted(set->items[i]))
            return true;
    return false;
}

void master_set_fill_alone(struct master_set *set, const char *program,
                           const struct master_plan *plan, uint64_t generation)
{
    for (size_t r = 0; r < plan->role_count; r++) {
        const struct master_role *role = &plan->roles[r];

        if (role->alone && !wants(set, plan, role->role))
            master_set_append(set, master_child_create(program, plan, role,
                                                       free_index(set, role->role),
                                                       generation));
    }
}

void master_set_append(struct master_set *set, struct master_child *child)
{
    set->items = mem_realloc(set->items, (set->count + 1) * sizeof *set->items);
    set->items[set->count++] = child;
}

struct master_child *master_set_find(const struct master_set *set, pid_t pid)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->pid == pid)
            return set->items[i];
    return NULL;
}

bool master_set_is_ready(const struct master_set *set, const struct master_plan *plan)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct master_child *child = set->items[i];

        if (child->plan == plan && master_child_is_wanted(child) &&
            child->state != MASTER_CHILD_READY)
            return false;
    }
    return true;
}

bool master_set_may_start(const struct master_set *set, const struct master_child *child)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct master_child *other = set->items[i];
        bool waits = other->state == MASTER_CHILD_WAITING && other->plan == child->plan &&
                     other->plan_role->alone;

        if (other->plan == child->plan && other->stage < child->stage &&
            master_child_is_wanted(other) && other->state != MASTER_CHILD_READY && !waits)
            return false;
    }
    return true;
}

bool master_set_is_silent(const struct master_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->silent && set->items[i]->state == MASTER_CHILD_READY &&
            !set->items[i]->old)
            return true;
    return false;
}

bool master_set_lives(const struct master_set *set, unsigned stage)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->stage >= stage && set->items[i]->state != MASTER_CHILD_GONE)
            return true;
    return false;
}

unsigned master_set_last_stage(const struct master_set *set)
{
    unsigned last = 0;

    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->stage > last)
            last = set->items[i]->stage;
    return last;
}

void master_set_sweep(struct master_set *set)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < set->count; i++) {
        if (set->items[i]->state == MASTER_CHILD_GONE)
            master_child_destroy(&set->items[i]);
        else
            set->items[kept++] = set->items[i];
    }
    set->count = kept;
}

void master_set_free(struct master_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        master_child_destroy(&set->items[i]);
    mem_free(set->items);
    *set = (struct master_set){NULL, 0};
}
