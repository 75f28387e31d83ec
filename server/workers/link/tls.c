#include "server/workers/link/tls.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stddef.h>

#include "common/credentials/credentials.h"
#include "common/base/log.h"
#include "server/workers/link/rpc_address.h"

struct nng_tls_config *rpc_tls_create(const char *url,
                                      const struct credentials *credentials)
{
    nng_tls_config *tls;
    int error;

    if (!rpc_address_is_tls(url))
        return NULL;
    assert(credentials != NULL && credentials->cert != NULL && credentials->ca != NULL);
    error = nng_tls_config_alloc(&tls, NNG_TLS_MODE_SERVER);
    if (error == 0)
        error = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED);
    if (error == 0)
        error = nng_tls_config_version(tls, NNG_TLS_1_2, NNG_TLS_1_2);
    if (error == 0)
        error = nng_tls_config_ca_chain(tls, credentials->ca, NULL);
    if (error == 0)
        error = nng_tls_config_own_cert(tls, credentials->cert, credentials->key, NULL);
    if (error != 0)
        log_fatal("TLS for %s: %s", url, nng_strerror(error));
    return tls;
}

void rpc_tls_destroy(struct nng_tls_config **tls)
{
    if (*tls != NULL)
        nng_tls_config_free(*tls);
    *tls = NULL;
}
