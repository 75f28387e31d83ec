#include "common/credentials/credentials.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/credentials/pem.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/address/rpc_url.h"

/* Four times the size of a bundle of all public CAs. */
#define FILE_MAX_BYTES ((size_t)1 << 20)

/* Replaces the end of a line in an option's text; PEM does not use this byte. */
#define LINE_END '|'

static int fail(struct buf *why, const char *flag, const char *path, const char *what)
{
    buf_printf(why, "--%s: %s: %s", flag, path, what);
    return -1;
}

static int read_one(const char *flag, const char *path, struct buf *out, struct buf *why)
{
    if (file_read(path, FILE_MAX_BYTES, out) == 0)
        return 0;
    return fail(why, flag, path, strerror(errno));
}

/* Warns about a secret file that others than its owner can access. It is only a warning,
   because an operator may let the daemon's user read the file as a member of its group.
 */
static void warn_readable(const char *flag, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        log_warn("--%s: %s can be read by others than its owner (mode %03o): chmod 600",
                 flag, path, st.st_mode & 0777);
}

static void wipe(void *bytes, size_t len)
{
    if (bytes != NULL)
        explicit_bzero(bytes, len);
}

static void wipe_buf(struct buf *buf)
{
    wipe(buf->data, buf->cap);
    buf_free(buf);
}

static void set_text(char **text, const struct buf *from)
{
    mem_free(*text);
    *text = str_printf("%.*s", (int)from->len, (const char *)from->data);
}

/* ---- PEM ---- */

static char *pack_lines(const struct buf *pem)
{
    char *text = str_printf("%.*s", (int)pem->len, (const char *)pem->data);

    for (char *at = text; *at != '\0'; at++)
        if (*at == '\n')
            *at = LINE_END;
    return text;
}

static char *unpack_lines(const char *text)
{
    char *pem;

    if (text[0] == '\0')
        return NULL;
    pem = str_dup(text);
    for (char *at = pem; *at != '\0'; at++)
        if (*at == LINE_END)
            *at = '\n';
    return pem;
}

static int load_pem(const char *flag, const char *path, enum pem_kind kind, char **text,
                    struct buf *why)
{
    struct buf file = BUF_INIT, pem = BUF_INIT;
    const char *what = NULL;
    int result = read_one(flag, path, &file, why);

    if (result == 0 && pem_extract(buf_slice(&file), kind, &pem, &what) != 0)
        result = fail(why, flag, path, what);
    if (result == 0) {
        mem_free(*text);
        *text = pack_lines(&pem);
    }
    wipe_buf(&file);
    wipe_buf(&pem);
    return result;
}

static int check_pair(const struct credentials_options *options, struct buf *why)
{
    char *cert = unpack_lines(*options->cert_text);
    char *key = unpack_lines(*options->key_text);
    bool is_pair = pem_is_pair(cert, key);

    wipe(key, strlen(key));
    mem_free(cert);
    mem_free(key);
    return is_pair ? 0
                   : fail(why, "tls-key", options->key, "is not the key of --tls-cert");
}

static int load_tls(const struct credentials_options *options, struct buf *why)
{
    bool has_cert = options->cert[0] != '\0', has_key = options->key[0] != '\0';

    if (has_cert != has_key) {
        buf_append_str(why, has_cert ? "--tls-cert: needs --tls-key too"
                                     : "--tls-key: needs --tls-cert too");
        return -1;
    }
    if (options->ca[0] != '\0' &&
        load_pem("tls-ca", options->ca, PEM_CERTIFICATES, options->ca_text, why) != 0)
        return -1;
    if (!has_cert)
        return 0;
    if (load_pem("tls-cert", options->cert, PEM_CERTIFICATES, options->cert_text, why) !=
            0 ||
        load_pem("tls-key", options->key, PEM_PRIVATE_KEY, options->key_text, why) != 0)
        return -1;
    warn_readable("tls-key", options->key);
    return check_pair(options, why);
}

/* ---- the secret ---- */

static void pack_hex(const struct buf *bytes, struct buf *hex)
{
    for (size_t i = 0; i < bytes->len; i++)
        buf_printf(hex, "%02x", bytes->data[i]);
}

static void unpack_hex(const char *hex, struct buf *bytes)
{
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        uint8_t byte = (uint8_t)hex_byte_value((uint8_t)hex[0], (uint8_t)hex[1]);

        buf_append(bytes, &byte, 1);
    }
}

/* Removes the end of the last line, which an editor adds. */
static void cut_line_end(struct buf *secret)
{
    while (secret->len > 0 && (secret->data[secret->len - 1] == '\n' ||
                               secret->data[secret->len - 1] == '\r'))
        secret->len--;
}

static int load_secret(const struct credentials_options *options, struct buf *why)
{
    struct buf secret = BUF_INIT, hex = BUF_INIT;
    const char *path = options->secret;
    int result;

    if (path[0] == '\0')
        return 0;
    result = read_one("worker-secret", path, &secret, why);
    cut_line_end(&secret);
    if (result == 0 && secret.len < CREDENTIALS_SECRET_MIN_BYTES)
        result = fail(why, "worker-secret", path,
                      "is too short: 16 random bytes at least (openssl rand -hex 32)");
    if (result == 0 && secret.len > CREDENTIALS_SECRET_MAX_BYTES)
        result = fail(why, "worker-secret", path, "is longer than 4096 bytes");
    if (result == 0) {
        pack_hex(&secret, &hex);
        set_text(options->secret_text, &hex);
        warn_readable("worker-secret", path);
    }
    wipe_buf(&secret);
    wipe_buf(&hex);
    return result;
}

/* ---- both ---- */

static bool is_filled_in(const struct credentials_options *options)
{
    return (*options->cert_text)[0] != '\0' || (*options->ca_text)[0] != '\0' ||
           (*options->secret_text)[0] != '\0';
}

int credentials_load(const struct credentials_options *options, struct buf *why)
{
    char **texts[] = {options->cert_text, options->key_text, options->ca_text,
                      options->secret_text};

    if (is_filled_in(options) ||
        (load_tls(options, why) == 0 && load_secret(options, why) == 0))
        return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mem_free(*texts[i]);
        *texts[i] = str_dup(""); /* a part of the credentials is useless */
    }
    return -1;
}

int credentials_check_url(const struct credentials_texts *texts, bool allow_plain_tcp,
                          const char *flag, const char *url, struct buf *why)
{
    const struct rpc_url_guard guard = {
        .has_tls = texts->cert[0] != '\0' && texts->ca[0] != '\0',
        .has_secret = texts->secret[0] != '\0',
        .may_leave_plain = allow_plain_tcp,
    };
    const char *flaw;

    if (rpc_url_check_guard(url, &guard, &flaw) == 0)
        return 0;
    buf_printf(why, "%s: %s: %s", flag, url, flaw);
    return -1;
}

bool credentials_are_secret(const struct credentials_texts *texts)
{
    return texts->key[0] != '\0' || texts->secret[0] != '\0';
}

void credentials_unpack(const struct credentials_texts *texts,
                        struct credentials *credentials_r)
{
    *credentials_r = (struct credentials){.cert = unpack_lines(texts->cert),
                                          .key = unpack_lines(texts->key),
                                          .ca = unpack_lines(texts->ca),
                                          .secret = BUF_INIT};
    unpack_hex(texts->secret, &credentials_r->secret);
    assert((credentials_r->cert == NULL) == (credentials_r->key == NULL));
}

static void forget_text(char *text)
{
    wipe(text, strlen(text));
    assert(text[0] == '\0');
}

void credentials_forget_texts(const struct credentials_options *options)
{
    forget_text(*options->key_text);
    forget_text(*options->secret_text);
}

void credentials_free(struct credentials *credentials)
{
    if (credentials->key != NULL)
        wipe(credentials->key, strlen(credentials->key));
    mem_free(credentials->cert);
    mem_free(credentials->key);
    mem_free(credentials->ca);
    wipe_buf(&credentials->secret);
    *credentials = (struct credentials){.secret = BUF_INIT};
}
