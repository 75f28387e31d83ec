/* Whole files and sealed memory files. */
#include "common/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void reads_up_to_its_limit(void **state)
{
    char path[] = "/tmp/offloop-file-XXXXXX";
    int fd = mkstemp(path);
    char bytes[10000];
    struct buf out = BUF_INIT;

    (void)state;
    memset(bytes, 'b', sizeof bytes);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    buf_append_str(&out, "a");
    assert_int_equal(file_read(path, sizeof bytes, &out), 0);
    assert_int_equal(out.len, 1 + sizeof bytes);
    assert_int_equal(out.data[0], 'a');
    assert_int_equal(out.data[sizeof bytes], 'b');
    assert_int_equal(file_read(path, sizeof bytes - 1, &out), -1);
    assert_int_equal(errno, EFBIG);
    buf_free(&out);
    close(fd);
    unlink(path);
}

static void says_why_not(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(file_read("/no/such/file", 10, &out), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_read("/tmp", 10, &out), -1);
    assert_int_equal(errno, EISDIR);
    buf_free(&out);
}

static void sealed_file_is_for_reading(void **state)
{
    int fd = file_create_sealed("test", (struct slice){(const uint8_t *)"text", 4});
    struct buf out = BUF_INIT;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(pwrite(fd, "X", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    for (int i = 0; i < 2; i++) /* from its start each time */
        assert_int_equal(file_read_fd(fd, 100, &out), 0);
    assert_int_equal(out.len, 8);
    assert_memory_equal(out.data, "texttext", 8);
    buf_free(&out);
    close(fd);
}

static void sealed_file_may_be_empty(void **state)
{
    int fd = file_create_sealed("test", (struct slice){NULL, 0});
    struct buf out = BUF_INIT;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(file_read_fd(fd, 0, &out), 0);
    assert_int_equal(out.len, 0);
    buf_free(&out);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_up_to_its_limit),
        cmocka_unit_test(says_why_not),
        cmocka_unit_test(sealed_file_is_for_reading),
        cmocka_unit_test(sealed_file_may_be_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
