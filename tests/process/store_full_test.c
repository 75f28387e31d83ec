/* A full map and a full disk: puts are refused, reads and deletes work, and after some
   deletes puts work again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "server/store/store.h"

#define DOCUMENT_BYTES 3000

/* Puts until FULL; returns how many puts were accepted. */
static int fill(struct rig *rig)
{
    uint8_t bytes[DOCUMENT_BYTES] = {0};
    char id[16];

    for (int i = 0; i < 20000; i++) {
        enum store_status status;

        snprintf(id, sizeof id, "%05d", i);
        status = rig_put_bytes(rig, "f", id, bytes, sizeof bytes);
        if (status == STORE_FULL)
            return i;
        assert_int_equal(status, STORE_CREATED);
    }
    fail_msg("the store never filled");
    return 0;
}

/* Checks a store that is full with `count` documents. */
static void live_on_while_full(struct rig *rig, int count)
{
    uint8_t bytes[DOCUMENT_BYTES] = {0};
    int stored = 0;
    char id[16];

    assert_true(count > 50);
    assert_int_equal(rig_put_bytes(rig, "f", "more", bytes, sizeof bytes), STORE_FULL);
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%05d", i);
        assert_int_equal(rig_find(rig, "f", id), STORE_OK);
    }
    for (int i = 0; i < count / 2; i++) {
        snprintf(id, sizeof id, "%05d", i);
        assert_int_equal(rig_remove(rig, "f", id), STORE_OK);
        assert_int_equal(rig_find(rig, "f", id), STORE_NOT_FOUND);
    }
    for (int i = 0; i < count / 4; i++) {
        snprintf(id, sizeof id, "new%d", i);
        stored += rig_put_bytes(rig, "f", id, bytes, sizeof bytes) == STORE_CREATED;
    }
    assert_int_equal(stored, count / 4);
}

static void check_soundness(const struct rig *rig)
{
    struct store_check_counts counts;

    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = rig->max}, NULL,
                    NULL, &counts),
        0);
}

static void full_map(void **state)
{
    struct rig rig;
    int count;

    (void)state;
    rig_start(&rig, 4 << 20);
    count = fill(&rig);
    live_on_while_full(&rig, count);
    check_soundness(&rig);
    rig_stop(&rig);
}

/* Many puts at once to a full map: each gets its own status. */
static void full_map_with_a_crowd(void **state)
{
    enum { PUTS = 300 };
    struct rig_put *puts = mem_zalloc(PUTS * sizeof *puts);
    uint8_t bytes[DOCUMENT_BYTES] = {0};
    char ids[PUTS][16];
    int full = 0;
    struct rig rig;

    (void)state;
    rig_start(&rig, 2 << 20);
    for (int i = 0; i < PUTS; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i);
        rig_begin_put(&rig, &puts[i], "f", ids[i], bytes, i % 10 ? sizeof bytes : 10);
    }
    for (int i = 0; i < PUTS; i++) {
        enum store_status status = rig_wait_put(&rig, &puts[i], NULL);

        assert_true(status == STORE_CREATED || status == STORE_FULL);
        full += status == STORE_FULL;
        assert_int_equal(rig_find(&rig, "f", ids[i]),
                         status == STORE_FULL ? STORE_NOT_FOUND : STORE_OK);
    }
    assert_in_range(full, 1, PUTS - 50);
    check_soundness(&rig);
    rig_stop(&rig);
    mem_free(puts);
}

/* A small file system of this test, in a mount namespace that ends with the test. */
static bool mount_small(const char *dir, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dir, "tmpfs", 0, options) == 0;
}

static void full_disk(void **state)
{
    struct rig rig;
    int count;

    (void)state;
    rig_init(&rig, 64 << 20);
    if (!mount_small(rig.dir, "size=4m")) {
        rig_stop(&rig);
        skip(); /* needs root */
        return;
    }
    RIG_CHECK(rig_start_writer(&rig) == 0);
    rig_open_store(&rig);
    count = fill(&rig);
    live_on_while_full(&rig, count);
    check_soundness(&rig);
    store_close(&rig.store);
    assert_int_equal(rig_end_writer(&rig, SIGTERM), 0);
    umount(rig.dir);
    rig_stop(&rig);
}

/* Another program takes all free space of the disk: deletes use the reserve. */
static void disk_filled_by_others(void **state)
{
    uint8_t junk[65536] = {0};
    char path[128];
    struct rig rig;
    int fd;

    (void)state;
    rig_init(&rig, 64 << 20);
    if (!mount_small(rig.dir, "size=12m")) {
        rig_stop(&rig);
        skip();
        return;
    }
    RIG_CHECK(rig_start_writer(&rig) == 0);
    rig_open_store(&rig);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "%d", i);
        assert_int_equal(rig_put_bytes(&rig, "f", path, junk, 1000), STORE_CREATED);
    }
    snprintf(path, sizeof path, "%s/junk", rig.dir);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    RIG_CHECK(fd >= 0);
    while (write(fd, junk, sizeof junk) > 0)
        continue;
    for (int i = 0; i < 100; i++) { /* deletes need pages, and the reserve has them */
        snprintf(path, sizeof path, "%d", i);
        assert_int_equal(rig_remove(&rig, "f", path), STORE_OK);
    }
    fill(&rig);
    assert_int_equal(ftruncate(fd, 0), 0); /* there is space again */
    assert_int_equal(rig_put_bytes(&rig, "f", "big", junk, sizeof junk), STORE_CREATED);
    close(fd);
    store_close(&rig.store);
    assert_int_equal(rig_end_writer(&rig, SIGTERM), 0);
    check_soundness(&rig);
    umount(rig.dir);
    rig_stop(&rig);
}

/* The system refuses to make the file longer, without any sign before. */
static void file_size_limit(void **state)
{
    struct rlimit old, low;
    struct rig rig;
    int count;

    (void)state;
    rig_init(&rig, 64 << 20);
    RIG_CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    low = (struct rlimit){2 << 20, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    RIG_CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0); /* for the writer to inherit */
    RIG_CHECK(rig_start_writer(&rig) == 0);
    RIG_CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    rig_open_store(&rig);
    count = fill(&rig);
    assert_true(count > 50);
    for (int i = 0; i < count; i++) {
        char id[16];

        snprintf(id, sizeof id, "%05d", i);
        assert_int_equal(rig_find(&rig, "f", id), STORE_OK);
    }
    check_soundness(&rig);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_map),        cmocka_unit_test(full_map_with_a_crowd),
        cmocka_unit_test(full_disk),       cmocka_unit_test(disk_filled_by_others),
        cmocka_unit_test(file_size_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
