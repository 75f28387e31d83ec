/* Certificates, keys and secrets: from files to one-line texts and back, and every file
   that is refused. */
#include "common/credentials/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/credentials/pem.h"
#include "common/base/file.h"
#include "common/base/log.h"

static char directory[] = "/tmp/offloop-credentials-XXXXXX";

/* The members of a configuration. */
struct config {
    char tls_cert[128], tls_key[128], tls_ca[128], worker_secret[128];
    char *tls_cert_text, *tls_key_text, *tls_ca_text, *worker_secret_text;
};

static struct config config;

static void place(char member[128], const char *name)
{
    snprintf(member, 128, "%s/%s", directory, name);
}

static int setup_files(void **state)
{
    char command[256];

    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(command, sizeof command, "scripts/new-certs %s 192.0.2.1 ::1 >/dev/null",
             directory);
    return system(command);
}

static int remove_files(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    config.tls_cert_text = str_dup("");
    config.tls_key_text = str_dup("");
    config.tls_ca_text = str_dup("");
    config.worker_secret_text = str_dup("");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(config.tls_cert_text);
    mem_free(config.tls_key_text);
    mem_free(config.tls_ca_text);
    mem_free(config.worker_secret_text);
    return 0;
}

static void write_file(const char *name, const char *bytes, size_t len, mode_t mode)
{
    char path[128];
    int fd;

    place(path, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct buf read_file(const char *name)
{
    struct buf bytes = BUF_INIT;
    char path[128];

    place(path, name);
    assert_int_equal(file_read(path, 1 << 20, &bytes), 0);
    return bytes;
}

static int load(struct buf *why)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(&config);
    int result = credentials_load(&options, why);

    buf_append(why, "", 1);
    return result;
}

static void check_loads(void)
{
    struct buf why = BUF_INIT;

    if (load(&why) != 0)
        fail_msg("%s", why.data);
    buf_free(&why);
}

static void check_refused(const char *expected)
{
    struct buf why = BUF_INIT;

    assert_int_equal(load(&why), -1);
    if (strstr((char *)why.data, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.data, expected);
    assert_null(strchr((char *)why.data, '\n'));
    buf_free(&why);
}

static void nothing_given(void **state)
{
    struct credentials_texts texts;
    struct credentials credentials;

    (void)state;
    check_loads();
    texts = CREDENTIALS_TEXTS(&config);
    credentials_unpack(&texts, &credentials);
    assert_null(credentials.cert);
    assert_null(credentials.key);
    assert_null(credentials.ca);
    assert_int_equal(credentials.secret.len, 0);
    credentials_free(&credentials);
}

static void there_and_back(void **state)
{
    static const char secret[] = "a \"secret\" = # with\nanything\x01\xff\x00 in it\r\n";
    struct buf cert, key;
    struct credentials_texts texts;
    struct credentials credentials;

    (void)state;
    write_file("secret", secret, sizeof secret - 1, 0600);
    place(config.tls_cert, "server.pem");
    place(config.tls_key, "server.key");
    place(config.tls_ca, "ca.pem");
    place(config.worker_secret, "secret");
    check_loads();
    assert_null(strchr(config.tls_cert_text, '\n'));
    assert_null(strchr(config.tls_key_text, '\n'));
    texts = CREDENTIALS_TEXTS(&config);
    credentials_unpack(&texts, &credentials);
    cert = read_file("server.pem");
    key = read_file("server.key");
    assert_int_equal(strlen(credentials.cert), cert.len);
    assert_memory_equal(credentials.cert, cert.data, cert.len);
    assert_int_equal(strlen(credentials.key), key.len);
    assert_memory_equal(credentials.key, key.data, key.len);
    assert_true(pem_is_pair(credentials.cert, credentials.key));
    assert_false(pem_is_pair(credentials.ca, credentials.key));
    assert_int_equal(credentials.secret.len, sizeof secret - 3);
    assert_memory_equal(credentials.secret.data, secret, sizeof secret - 3);
    buf_free(&cert);
    buf_free(&key);
    credentials_free(&credentials);
    assert_null(credentials.key);
}

/* A configuration from another process has all texts: the files may be gone. */
static void loaded_once(void **state)
{
    (void)state;
    place(config.tls_ca, "ca.pem");
    check_loads();
    place(config.tls_ca, "none");
    check_loads();
}

static void bad_pem_files(void **state)
{
    static const char cut[] = "-----BEGIN CERTIFICATE-----\nMIIB";
    static const char wrong[] =
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    static const char binary[] = "-----BEGIN CERTIFICATE-----\nMI|B\x01\n"
                                 "-----END CERTIFICATE-----\n";

    (void)state;
    place(config.tls_ca, "none");
    check_refused("--tls-ca: /tmp/");
    place(config.tls_ca, "server.key");
    check_refused("is no PEM file with a certificate");
    place(config.tls_ca, "test");
    write_file("test", "", 0, 0600);
    check_refused("is no PEM file with a certificate");
    write_file("test", cut, sizeof cut - 1, 0600);
    check_refused("is no PEM file with a certificate");
    write_file("test", wrong, sizeof wrong - 1, 0600);
    check_refused("has a certificate that cannot be read");
    write_file("test", binary, sizeof binary - 1, 0600);
    check_refused("is no PEM file with a certificate");
    config.tls_ca[0] = '\0';
    place(config.tls_cert, "server.pem");
    check_refused("--tls-cert: needs --tls-key too");
    place(config.tls_key, "server.pem");
    check_refused("is no PEM file with a private key");
}

static void bad_keys(void **state)
{
    static const char no_key[] =
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END "
                                 "ENCRYPTED PRIVATE KEY-----\n";
    static const char old_locked[] =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "\nMIIB\n-----END EC PRIVATE KEY-----\n";
    struct buf twice = read_file("server.key");

    (void)state;
    place(config.tls_key, "test");
    check_refused("--tls-key: needs --tls-cert too");
    place(config.tls_cert, "server.pem");
    write_file("test", no_key, sizeof no_key - 1, 0600);
    check_refused("has a private key that cannot be read");
    write_file("test", locked, sizeof locked - 1, 0600);
    check_refused("is encrypted");
    write_file("test", old_locked, sizeof old_locked - 1, 0600);
    check_refused("is encrypted");
    buf_append(&twice, twice.data, twice.len);
    write_file("test", (char *)twice.data, twice.len, 0600);
    check_refused("has more than one private key");
    buf_free(&twice);
    place(config.tls_key, "worker.key");
    check_refused("is not the key of --tls-cert");
}

static void text_around_pem_is_no_matter(void **state)
{
    struct buf file = BUF_INIT, cert = read_file("worker.pem"), ca = read_file("ca.pem");
    struct buf out = BUF_INIT;
    const char *what;

    (void)state;
    buf_append_str(&file, "Certificate: | \x01\r\n");
    buf_append(&file, cert.data, cert.len);
    buf_append_str(&file, "and who signed it\n");
    buf_append(&file, ca.data, ca.len);
    assert_int_equal(pem_extract(buf_slice(&file), PEM_CERTIFICATES, &out, &what), 0);
    assert_int_equal(out.len, cert.len + ca.len);
    assert_memory_equal(out.data, cert.data, cert.len);
    assert_memory_equal(out.data + cert.len, ca.data, ca.len);
    buf_free(&file);
    buf_free(&cert);
    buf_free(&ca);
    buf_free(&out);
}

static void secrets(void **state)
{
    char long_one[CREDENTIALS_SECRET_MAX_BYTES + 2];

    (void)state;
    place(config.worker_secret, "none");
    check_refused("No such file");
    place(config.worker_secret, "test");
    write_file("test", "fifteen bytes..\n", 16, 0600);
    check_refused("is too short");
    memset(long_one, 'x', sizeof long_one);
    write_file("test", long_one, CREDENTIALS_SECRET_MAX_BYTES + 1, 0600);
    check_refused("is longer than 4096 bytes");
    write_file("test", long_one, CREDENTIALS_SECRET_MAX_BYTES, 0600);
    check_loads();
    assert_int_equal(strlen(config.worker_secret_text), 2 * CREDENTIALS_SECRET_MAX_BYTES);
}

/* The lines on stderr while a function runs. */
static void others_may_not_read(void **state)
{
    char line[256] = "";
    int ends[2], before = dup(STDERR_FILENO);

    (void)state;
    log_open("test", NULL);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    write_file("test", "sixteen bytes...", 16, 0644);
    place(config.worker_secret, "test");
    check_loads();
    dup2(before, STDERR_FILENO);
    close(before);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    assert_non_null(strstr(line, "can be read by others than its owner (mode 644)"));
    assert_null(strstr(line, "sixteen"));
}

static void keys_and_secrets_are_secret(void **state)
{
    const struct credentials_texts none = {"", "", "", ""}, open = {"c", "", "a", ""},
                                   key = {"c", "k", "a", ""}, secret = {"", "", "", "00"};

    (void)state;
    assert_false(credentials_are_secret(&none));
    assert_false(credentials_are_secret(&open));
    assert_true(credentials_are_secret(&key));
    assert_true(credentials_are_secret(&secret));
}

static void texts_are_wiped_not_just_cut(void **state)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(&config);
    static const char zeros[8];

    (void)state;
    mem_free(config.tls_cert_text);
    mem_free(config.tls_key_text);
    mem_free(config.worker_secret_text);
    config.tls_cert_text = str_dup("public");
    config.tls_key_text = str_dup("private");
    config.worker_secret_text = str_dup("");
    credentials_forget_texts(&options);
    assert_memory_equal(config.tls_key_text, zeros, sizeof "private");
    assert_string_equal(config.worker_secret_text, "");
    assert_string_equal(config.tls_cert_text, "public");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_given, setup, teardown),
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(loaded_once, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_pem_files, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(text_around_pem_is_no_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(others_may_not_read, setup, teardown),
        cmocka_unit_test(keys_and_secrets_are_secret),
        cmocka_unit_test_setup_teardown(texts_are_wiped_not_just_cut, setup, teardown),
    };

    return cmocka_run_group_tests(tests, setup_files, remove_files);
}
