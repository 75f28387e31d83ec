/* What root gives to the daemon's user, and what it must not give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/process/privileges.h"

#define USER "nobody"

static char base[] = "/tmp/offloop-privileges-XXXXXX";
static char *session, *runtime, *target;
static uid_t user;

static int setup(void **state)
{
    (void)state;
    strcpy(base + strlen(base) - 6, "XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    session = str_printf("%s/session", base);
    runtime = str_printf("%s/session/offloop", base);
    target = str_printf("%s/target", base);
    unsetenv("RUNTIME_DIRECTORY");
    setenv("XDG_RUNTIME_DIR", session, 1);
    return mkdir(session, 0755);
}

static int teardown(void **state)
{
    (void)state;
    unlink(runtime);
    rmdir(runtime);
    unlink(target);
    rmdir(target);
    rmdir(session);
    mem_free(session);
    mem_free(runtime);
    mem_free(target);
    return rmdir(base);
}

/* Only root can give anything. */
static void need_root(void)
{
    const struct passwd *entry = getpwnam(USER);

    if (geteuid() != 0 || entry == NULL)
        skip();
    user = entry->pw_uid;
}

static uid_t owner_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_uid;
}

static void one_that_is_missing_is_made(void **state)
{
    struct stat st;

    (void)state;
    need_root();
    privileges_give_directory("", target);
    assert_int_equal(stat(target, &st), -1);
    privileges_give_directory(USER, target);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_uid, user);
    assert_int_equal(st.st_mode & 07777, 0750);
}

static void one_that_is_there_stays(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(mkdir(target, 0700), 0);
    privileges_give_directory(USER, target);
    assert_int_equal(owner_of(target), 0);
}

static void the_runtime_directory_is_given(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(mkdir(runtime, 0700), 0);
    privileges_give_directory(USER, runtime);
    assert_int_equal(owner_of(runtime), user);
    privileges_give_directory(USER, runtime); /* as at the next start */
    assert_int_equal(owner_of(runtime), user);
}

static void but_not_another_users(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(mkdir(runtime, 0700), 0);
    assert_int_equal(chown(runtime, 12345, 12345), 0);
    privileges_give_directory(USER, runtime);
    assert_int_equal(owner_of(runtime), 12345);
}

/* A link in place of the directory is not followed, with or without slashes. */
static void nothing_is_given_behind_a_link(void **state)
{
    char *slashed = str_printf("%s//", runtime);
    const char *const spellings[] = {runtime, slashed};

    (void)state;
    need_root();
    for (unsigned i = 0; i < 4; i++) {
        if (i % 2 == 0)
            assert_int_equal(mkdir(target, 0700), 0);
        else
            close(open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(symlink(target, runtime), 0);
        privileges_give_directory(USER, spellings[i / 2]);
        assert_int_equal(owner_of(target), 0);
        assert_int_equal(unlink(runtime), 0);
        unlink(target);
        rmdir(target);
    }
    mem_free(slashed);
}

static void what_is_no_directory_is_not_given(void **state)
{
    (void)state;
    need_root();
    close(open(runtime, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    privileges_give_directory(USER, runtime);
    assert_int_equal(owner_of(runtime), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_missing_is_made),    TEST(one_that_is_there_stays),
        TEST(the_runtime_directory_is_given), TEST(but_not_another_users),
        TEST(nothing_is_given_behind_a_link), TEST(what_is_no_directory_is_not_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
