#include "server/store/writer/document_version.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"

void document_version_init(struct document_version_source *source)
{
    ssize_t n;

    do
        n = getrandom(&source->gap, sizeof source->gap, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof source->gap)
        log_fatal("getrandom: %s", strerror(errno));
    source->gap &= DOCUMENT_VERSION_GAP_MAX;
    source->floor = 0;
}

uint64_t document_version_base(struct document_version_source *source, uint64_t last,
                               uint64_t now_us)
{
    assert(source->gap <= DOCUMENT_VERSION_GAP_MAX);
    if (source->floor == 0)
        source->floor = last + 1 + source->gap;
    if (now_us > last)
        return now_us - 1;
    if (last - now_us < DOCUMENT_VERSION_SLACK_US || last >= source->floor)
        return last;
    return source->floor - 1;
}
