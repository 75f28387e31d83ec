#include "worker/link/tls.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/base/alloc.h"
#include "common/credentials/credentials.h"
#include "common/base/log.h"
#include "common/address/rpc_url.h"

/* "192.0.2.1" of "tls+tcp://192.0.2.1:9000", "::1" of "tls+tcp://[::1]:9000". */
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *end = strrchr(host, ':');

    assert(end != NULL);
    if (host[0] == '[' && end[-1] == ']') {
        host++;
        end--;
    }
    return str_printf("%.*s", (int)(end - host), host);
}

int worker_tls_create(const char *url, const struct credentials *credentials,
                      struct nng_tls_config **tls_r)
{
    char *host;
    int error;

    *tls_r = NULL;
    if (!rpc_url_is_tls(url))
        return 0;
    assert(credentials->cert != NULL && credentials->ca != NULL);
    host = host_of(url);
    error = nng_tls_config_alloc(tls_r, NNG_TLS_MODE_CLIENT);
    if (error == 0)
        error = nng_tls_config_auth_mode(*tls_r, NNG_TLS_AUTH_MODE_REQUIRED);
    if (error == 0)
        error = nng_tls_config_version(*tls_r, NNG_TLS_1_2, NNG_TLS_1_2);
    if (error == 0)
        error = nng_tls_config_server_name(*tls_r, host);
    if (error == 0)
        error = nng_tls_config_ca_chain(*tls_r, credentials->ca, NULL);
    if (error == 0)
        error =
            nng_tls_config_own_cert(*tls_r, credentials->cert, credentials->key, NULL);
    mem_free(host);
    if (error != 0)
        log_warn("TLS for %s: %s", url, nng_strerror(error));
    return error == 0 ? 0 : -1;
}
