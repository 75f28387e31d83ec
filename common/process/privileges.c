#include "common/process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/address/runtime_dir.h"

/* What getpwnam() leaves where it looked and found nobody (its manual lists them). */
static bool is_unknown(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH;
}

int privileges_check_user(const char *user, const char **expected_r)
{
    *expected_r = "a user of this host";
    errno = 0;
    return user[0] == '\0' || getpwnam(user) != NULL || !is_unknown(errno) ? 0 : -1;
}

static const struct passwd *find_user(const char *user)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL && !is_unknown(errno))
        log_fatal("--user: %s cannot be looked up: %m", user);
    if (entry == NULL)
        log_fatal("--user: there is no user %s", user);
    return entry;
}

static bool is_user(const struct passwd *entry)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) == 0 && real == entry->pw_uid &&
           effective == entry->pw_uid && saved == entry->pw_uid;
}

void privileges_drop(const char *user)
{
    const struct passwd *entry;

    if (user[0] == '\0')
        return;
    entry = find_user(user);
    if (is_user(entry))
        return;
    if (geteuid() != 0)
        log_fatal("--user: only root can become %s", user);
    if (initgroups(user, entry->pw_gid) != 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
        log_fatal("--user: cannot become %s: %m", user);
    if (entry->pw_uid != 0 && setuid(0) == 0)
        log_panic("root's rights came back");
}

static bool is_runtime_dir(const char *path)
{
    char *runtime = runtime_dir_path();
    bool is = strcmp(runtime, path) == 0;

    mem_free(runtime);
    return is;
}

void privileges_give_directory(const char *user, const char *path)
{
    const struct passwd *entry;
    bool is_ours;

    if (user[0] == '\0' || geteuid() != 0)
        return;
    entry = find_user(user);
    is_ours = mkdir(path, 0750) == 0;
    if (!is_ours && errno != EEXIST)
        log_warn("cannot make %s: %m", path); /* who needs it will say more */
    else if ((is_ours || is_runtime_dir(path)) &&
             chown(path, entry->pw_uid, entry->pw_gid) != 0)
        log_warn("cannot give %s to %s: %m", path, user);
}

void privileges_forgo(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("sandbox: no_new_privs: %m");
}
