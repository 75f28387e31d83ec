#include "common/runtime_dir.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/alloc.h"

/* Group may enter and connect, others may not. */
#define RUNTIME_DIR_MODE 0750

char *runtime_dir_path(void)
{
    const char *systemd = getenv("RUNTIME_DIRECTORY");
    const char *session = getenv("XDG_RUNTIME_DIR");

    if (systemd != NULL && systemd[0] != '\0')
        return str_printf("%.*s", (int)strcspn(systemd, ":"), systemd);
    if (session != NULL && session[0] != '\0')
        return str_printf("%s/offloop", session);
    return str_dup("/run/offloop");
}

char *runtime_dir_rpc_url(void)
{
    char *path = runtime_dir_path();
    char *url = str_printf("ipc://%s/rpc.sock", path);

    mem_free(path);
    return url;
}

/* mkdir() that takes a directory that is there for made; the mode is not cut by umask. */
static int make_dir(const char *path)
{
    mode_t mask = umask(0);
    int result = mkdir(path, RUNTIME_DIR_MODE);
    int saved_errno = errno;

    umask(mask);
    errno = saved_errno;
    return result < 0 && errno != EEXIST ? -1 : 0;
}

int runtime_dir_create_for(const char *url)
{
    char *path = runtime_dir_path();
    char *prefix = str_printf("ipc://%s/", path);
    size_t len = strlen(prefix);
    bool inside = strncmp(url, prefix, len) == 0 && strchr(url + len, '/') == NULL;
    int result = inside ? make_dir(path) : 0;
    int saved_errno = errno;

    mem_free(prefix);
    mem_free(path);
    errno = saved_errno;
    return result;
}
