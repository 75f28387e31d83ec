#include "common/process/privileges.h"

#include <errno.h>
#include <fcntl.h>
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

/* The errors of getpwnam() that mean "no such user" (its manual lists them). */
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
        log_panic("the process still has root's rights");
}

/* Copies the path without slashes at its end: with them, a link would be followed. */
static char *without_last_slashes(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    return str_printf("%.*s", (int)len, path);
}

static bool is_runtime_dir(const char *path)
{
    char *runtime = runtime_dir_path(), *plain = without_last_slashes(runtime);
    bool is = strcmp(plain, path) == 0;

    mem_free(runtime);
    mem_free(plain);
    return is;
}

/* Opens the directory and gives that descriptor to the user, not the path: a user who
   replaces the directory by a link must not choose what root gives away. Returns NULL, or
   why it was not given. */
static const char *give(const struct passwd *entry, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *why = NULL;
    struct stat st;

    if (fd < 0)
        return errno == ELOOP ? "it is a link" : strerror(errno);
    if (fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (st.st_uid != 0 && st.st_uid != entry->pw_uid)
        why = "it is another user's";
    else if (fchown(fd, entry->pw_uid, entry->pw_gid) != 0)
        why = strerror(errno);
    close(fd);
    return why;
}

/* The code that needs the directory reports its absence. */
static void give_directory(const struct passwd *entry, const char *path)
{
    bool is_new = mkdir(path, 0750) == 0;
    const char *why = NULL;

    if (!is_new && errno != EEXIST) {
        log_warn("cannot make %s: %m", path);
        return;
    }
    if (is_new || is_runtime_dir(path))
        why = give(entry, path);
    if (why != NULL)
        log_warn("%s is not given to %s: %s", path, entry->pw_name, why);
}

void privileges_give_directory(const char *user, const char *path)
{
    char *plain;

    if (user[0] == '\0' || geteuid() != 0)
        return;
    plain = without_last_slashes(path);
    give_directory(find_user(user), plain);
    mem_free(plain);
}

void privileges_give_file(const char *user, const char *path)
{
    const struct passwd *entry;

    if (user[0] == '\0' || geteuid() != 0)
        return;
    entry = find_user(user);
    if (lchown(path, entry->pw_uid, entry->pw_gid) != 0 && errno != ENOENT)
        log_warn("cannot give %s to %s: %m", path, user);
}

void privileges_forgo(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("sandbox: no_new_privs: %m");
}
