#include "common/nng_faults/nng_cpus.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The C library's own name for sysconf(), which is defined here. */
long __sysconf(int name);

static atomic_long limit; /* 0 for none */

void nng_cpus_limit(long most)
{
    const char *wish = getenv("OFFLOOP_NNG_CPUS");

    assert(most >= 0);
    if (wish != NULL && strcmp(wish, "all") == 0)
        most = 0;
    atomic_store(&limit, most);
}

/* Replaces the C library's for the whole process. It may be called before main() and
   while any lock is held, so it takes no lock. ThreadSanitizer calls it before it is
   ready. */
__attribute__((no_sanitize("thread"))) long sysconf(int name)
{
    long value = __sysconf(name);
    long most = atomic_load(&limit);

    return name == _SC_NPROCESSORS_ONLN && most > 0 && value > most ? most : value;
}
