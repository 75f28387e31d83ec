/*
 * Certificates that openssl(1) makes at the start of a test: a CA, a server's for
 * localhost and 127.0.0.1, one for another host, a client's, and another CA that has
 * signed none of them.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_REDIS_CERTS_H
#define OFFLOOP_TESTS_UNIT_STORE_REDIS_CERTS_H

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "tests/unit/store/redis_rig.h"

/* Makes NAME.crt and NAME.key in the folder, for ca, other-ca, server, elsewhere,
   client. */
static const char redis_certs_script[] =
    "set -e; cd \"$1\"\n"
    "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
    "\\\n"
    "  -days 2 -subj \"/CN=$1\" -keyout $1.key -out $1.crt; }\n"
    "leaf() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\\n"
    "  -subj \"/CN=$1\" -keyout $1.key -out $1.csr\n"
    "  printf 'subjectAltName=%s\\n' \"$2\" >$1.ext\n"
    "  openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \\\n"
    "  -extfile $1.ext -out $1.crt; }\n"
    "ca ca; ca other-ca\n"
    "leaf server DNS:localhost,IP:127.0.0.1\n"
    "leaf elsewhere DNS:elsewhere.example,IP:192.0.2.1\n"
    "leaf client DNS:client.example\n";

static inline void redis_certs_make(const char *dir)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    RIG_CHECK(pid >= 0);
    if (pid == 0) {
        int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(out, 1);
        dup2(out, 2);
        execlp("sh", "sh", "-c", redis_certs_script, "sh", dir, (char *)NULL);
        _exit(98);
    }
    RIG_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Reads a file of the folder as text; the caller frees it with mem_free(). */
static inline char *redis_certs_read(const char *dir, const char *name)
{
    struct buf text = BUF_INIT;
    char path[128];
    char *copy;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    RIG_CHECK(file_read(path, 1 << 20, &text) == 0);
    copy = str_printf("%.*s", (int)text.len, (const char *)text.data);
    buf_free(&text);
    return copy;
}

#endif
