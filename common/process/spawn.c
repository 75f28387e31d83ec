#include "common/process/spawn.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/base/log.h"

/* The longest role name, for sscanf(). */
#define ROLE_NAME_MAX 15

const char *spawn_role_name(enum spawn_role role)
{
    static const char *const names[] = {
#define X(name, text) text,
        SPAWN_ROLE_MAP(X)
#undef X
    };

    assert((unsigned)role < SPAWN_ROLES);
    return names[role];
}

/* The role of that name; SPAWN_ROLES if there is none. */
static enum spawn_role find_role(const char *name)
{
    for (int role = SPAWN_MASTER + 1; role < SPAWN_ROLES; role++)
        if (strcmp(spawn_role_name((enum spawn_role)role), name) == 0)
            return (enum spawn_role)role;
    return SPAWN_ROLES;
}

static int parse(const char *text, struct spawn_self *self_r)
{
    char name[ROLE_NAME_MAX + 1];
    unsigned version;
    int end = 0;

    if (sscanf(text, "%u %15s %u %" SCNu64 "%n", &version, name, &self_r->index,
               &self_r->generation, &end) != 4 ||
        text[end] != '\0') {
        log_warn("OFFLOOP_CHILD is malformed");
        return -1;
    }
    if (version != SPAWN_VERSION) {
        log_warn("started by a master of another version (%u, this is %u)", version,
                 SPAWN_VERSION);
        return -1;
    }
    self_r->role = find_role(name);
    if (self_r->role == SPAWN_ROLES) {
        log_warn("OFFLOOP_CHILD names an unknown role: %s", name);
        return -1;
    }
    return 0;
}

static bool is_child;

int spawn_self_read(struct spawn_self *self_r)
{
    const char *text = getenv("OFFLOOP_CHILD");
    char name[32];

    *self_r = (struct spawn_self){SPAWN_MASTER, 0, 0};
    if (text == NULL)
        return 0;
    if (parse(text, self_r) < 0)
        return -1;
    unsetenv("OFFLOOP_CHILD");
    is_child = self_r->role != SPAWN_MASTER;
    /* after an exec of /proc/self/exe the process list shows "exe" */
    snprintf(name, sizeof name, "offloop-%s", spawn_role_name(self_r->role));
    prctl(PR_SET_NAME, name);
    return 0;
}

bool spawn_is_child(void)
{
    return is_child;
}

void spawn_tell(enum spawn_message message)
{
    unsigned char byte = (unsigned char)message;
    ssize_t sent = send(SPAWN_FD_CONTROL, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    /* the end of file on this socket shows that the master is gone */
    (void)sent;
}
