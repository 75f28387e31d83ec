#include "server/store/lmdb/lmdb_version.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"

void lmdb_version_init(struct lmdb_version_source *source)
{
    ssize_t n;

    do
        n = getrandom(&source->gap, sizeof source->gap, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof source->gap)
        log_fatal("getrandom: %s", strerror(errno));
    source->gap &= LMDB_VERSION_GAP_MAX;
    source->floor = 0;
}

uint64_t lmdb_version_base(struct lmdb_version_source *source, uint64_t last,
                           uint64_t now_us)
{
    assert(source->gap <= LMDB_VERSION_GAP_MAX);
    if (source->floor == 0)
        source->floor = last + 1 + source->gap;
    if (now_us > last)
        return now_us - 1;
    if (last - now_us < LMDB_VERSION_SLACK_US || last >= source->floor)
        return last;
    return source->floor - 1;
}
