/* Our own processes are no strangers on a store; whose children are, only a whole server
   shows (tests/e2e/50-faults.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/store/lmdb/lmdb_sharing.h"

#define MAP_BYTES (UINT64_C(64) << 20)

static void we_ourselves_and_our_children_are_nobody(void **state)
{
    char dir[] = "/tmp/offloop-sharing-XXXXXX", file[64];
    struct lmdb_db db;
    MDB_txn *txn;
    int status;
    pid_t pid;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(lmdb_db_open_writer(&db, dir, MAP_BYTES, false), 0);
    assert_int_equal(lmdb_db_begin_read(&db, &txn), 0);
    assert_int_equal(lmdb_sharing_find(&db), 0);
    pid = fork();
    if (pid == 0) { /* sees the reader above: its parent's, which is no master */
        struct lmdb_db other;

        if (lmdb_db_open_reader(&other, dir, MAP_BYTES) != 0)
            _exit(2);
        _exit(lmdb_sharing_find(&other) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    mdb_txn_abort(txn);
    lmdb_db_close(&db);
    snprintf(file, sizeof file, "%s/data.mdb", dir);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock.mdb", dir);
    unlink(file);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_ourselves_and_our_children_are_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
