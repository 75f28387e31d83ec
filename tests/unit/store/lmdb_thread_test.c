/* The store's thread when a read hangs. Memory whose pages do not arrive (userfaultfd)
   stands for a disk that does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "server/store/lmdb/lmdb_thread.h"

#define MAP_BYTES (UINT64_C(64) << 20)
#define BYTES     ((size_t)256 << 10)
#define TIMEOUT_S 1.0

struct bench {
    struct rig rig;
    struct lmdb_db db;
    struct lmdb_thread *thread;
    int uffd;
    uint8_t *hanging; /* BYTES of memory: a write to it waits for let_go() */
};

static int open_uffd(uint8_t *memory)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.range = {(uintptr_t)memory, BYTES},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 &&
        (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void let_go(const struct bench *b)
{
    struct uffdio_zeropage pages = {.range = {(uintptr_t)b->hanging, BYTES}};

    RIG_CHECK(ioctl(b->uffd, UFFDIO_ZEROPAGE, &pages) == 0);
}

static int setup(void **state)
{
    struct bench *b = mem_zalloc(sizeof *b);
    uint8_t *bytes = mem_zalloc(BYTES);

    rig_start(&b->rig, MAP_BYTES);
    RIG_CHECK(rig_put_bytes(&b->rig, "c", "large", bytes, BYTES) == STORE_CREATED);
    mem_free(bytes);
    store_close(&b->rig.store);
    RIG_CHECK(lmdb_db_open_reader(&b->db, b->rig.dir, MAP_BYTES) == 0);
    b->thread = lmdb_thread_create(b->rig.loop, &b->db, TIMEOUT_S);
    b->hanging =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    RIG_CHECK(b->hanging != MAP_FAILED);
    b->uffd = open_uffd(b->hanging);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    if (b->uffd >= 0)
        close(b->uffd);
    lmdb_thread_destroy(&b->thread);
    lmdb_db_close(&b->db);
    munmap(b->hanging, BYTES);
    rig_stop(&b->rig);
    mem_free(b);
    return 0;
}

struct read {
    struct store_get get;
    bool done;
};

static void on_done(struct store_get *get)
{
    struct read *mine = (struct read *)(void *)get;

    RIG_CHECK(!mine->done);
    mine->done = true;
}

/* Begins a read of the document to that memory; NULL: to the heap. */
static void begin(struct bench *b, struct read *mine, uint8_t *to)
{
    uint8_t *unused;
    struct blob *target = to == NULL ? NULL : blob_new(BYTES, &unused);

    *mine = (struct read){.get = {.key = {rig_slice("c"), rig_slice("large")},
                                  .target.formats = STORE_TARGET_FOR(STORE_MSGPACK),
                                  .done = on_done}};
    lmdb_thread_run(b->thread, lmdb_task_for_get(&mine->get, target, to));
}

static void await(struct bench *b, struct read *mine, enum store_status status)
{
    while (!mine->done)
        ev_run(b->rig.loop, EVRUN_ONCE);
    assert_int_equal(mine->get.status, status);
}

static void reads_that_hang_end(void **state)
{
    struct bench *b = *state;
    struct read stuck, behind, gone, late;

    if (b->uffd < 0)
        skip(); /* this kernel or this user has no userfaultfd */
    begin(b, &behind, NULL);
    await(b, &behind, STORE_OK);
    begin(b, &stuck, b->hanging);
    begin(b, &gone, NULL);
    begin(b, &behind, NULL);
    store_cancel(&gone.get.request);
    assert_false(lmdb_thread_is_hung(b->thread));
    await(b, &stuck, STORE_DOWN);
    await(b, &behind, STORE_DOWN);
    assert_true(lmdb_thread_is_hung(b->thread));
    begin(b, &late, NULL);
    assert_true(late.done); /* at once */
    assert_int_equal(late.get.status, STORE_DOWN);
    let_go(b);
    while (lmdb_thread_waiting(b->thread) > 0)
        ev_run(b->rig.loop, EVRUN_ONCE);
    assert_false(lmdb_thread_is_hung(b->thread));
    assert_false(gone.done);
    begin(b, &late, NULL);
    await(b, &late, STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_that_hang_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
