#include "worker/nng_faults/dialer.h"

#include <assert.h>

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

/* A server that restarts is found quickly; one that is gone costs a few tries a second.
 */
#define DIAL_RETRY_MIN_MS 20
#define DIAL_RETRY_MAX_MS 200

static int dial_open(struct dial *dial)
{
    if (nng_dialer_create(&dial->dialer, dial->socket, dial->url) != 0)
        return -1;
    if (dial->tls &&
        nng_dialer_set_ptr(dial->dialer, NNG_OPT_TLS_CONFIG, dial->tls) != 0) {
        nng_dialer_close(dial->dialer);
        return -1;
    }
    nng_dialer_set_ms(dial->dialer, NNG_OPT_RECONNMINT, DIAL_RETRY_MIN_MS);
    nng_dialer_set_ms(dial->dialer, NNG_OPT_RECONNMAXT, DIAL_RETRY_MAX_MS);
    dial->down_since_ns = clock_now_ns();
    if (nng_dialer_start(dial->dialer, NNG_FLAG_NONBLOCK) == 0)
        return 0;
    nng_dialer_close(dial->dialer);
    return -1;
}

int dial_start(struct dial *dial, nng_socket socket, const char *url,
               struct nng_tls_config *tls)
{
    assert(!dial->url);
    dial->socket = socket;
    dial->tls = tls;
    dial->url = str_dup(url);
    if (dial_open(dial) == 0)
        return 0;
    mem_free(dial->url);
    dial->url = NULL;
    return -1;
}

void dial_check(struct dial *dial, bool is_connected)
{
    uint64_t now_ns = clock_now_ns();

    assert(dial->url);
    if (is_connected)
        dial->down_since_ns = now_ns;
    if (now_ns - dial->down_since_ns < DIAL_STUCK_MS * NS_PER_MS)
        return;
    nng_dialer_close(dial->dialer);
    /* where this fails, the next check tries again: closing twice does no harm */
    if (dial_open(dial) != 0)
        dial->down_since_ns = now_ns;
}

bool dial_is_here(nng_pipe pipe)
{
    nng_sockaddr here, there;

    if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &here) != 0 ||
        nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &there) != 0 ||
        here.s_family != there.s_family)
        return false;
    if (here.s_family == NNG_AF_INET)
        return here.s_in.sa_addr == there.s_in.sa_addr;
    return here.s_family == NNG_AF_INET6 &&
           memcmp(here.s_in6.sa_addr, there.s_in6.sa_addr, sizeof here.s_in6.sa_addr) ==
               0;
}

void dial_stop(struct dial *dial)
{
    if (!dial->url)
        return;
    nng_dialer_close(dial->dialer);
    mem_free(dial->url);
    dial->url = NULL;
}
