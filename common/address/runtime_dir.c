#include "common/address/runtime_dir.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

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
