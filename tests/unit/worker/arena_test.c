/* A worker's arena: fetched from fronts that are right and wrong, and offsets checked. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/memory/arena.h"

#define BYTES 65536

/* A front to which we came over a network, and which is on this host all the same. */
static const struct arena_front neighbour = {"tcp://127.0.0.1:1", true};

/* A front that answers one worker on a thread of its own. */
struct front {
    int listen_fd;
    int files[2]; /* what it hands out; -1: it hangs up instead, or has no second */
    bool plain;   /* a byte without a descriptor */
    const char *greeting;
    char name[32]; /* "@..." */
    uint8_t token[16];
    ssize_t told; /* bytes of the token that came */
    uint8_t word; /* what the worker said at last; 0 for nothing */
    pthread_t thread;
};

static void send_files(int to, const int files[2])
{
    size_t bytes = (files[1] < 0 ? 1 : 2) * sizeof(int);
    char byte = 1;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *head;

    memset(&control, 0, sizeof control);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(head), files, bytes);
    (void)!sendmsg(to, &message, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
    struct front *front = arg;
    int fd = accept(front->listen_fd, NULL, NULL);

    (void)!send(fd, front->greeting, strlen(front->greeting), MSG_NOSIGNAL);
    front->told = recv(fd, front->token, sizeof front->token, MSG_WAITALL);
    if (front->plain)
        (void)!send(fd, "x", 1, MSG_NOSIGNAL);
    else if (front->files[0] >= 0)
        send_files(fd, front->files);
    else
        shutdown(fd, SHUT_WR);
    (void)!recv(fd, &front->word, 1, 0);
    close(fd);
    return NULL;
}

static void front_start_saying(struct front *front, const char *greeting, int file,
                               int pool, bool plain)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address;

    *front = (struct front){.files = {file, pool}, .plain = plain, .greeting = greeting};
    front->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(front->listen_fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(front->listen_fd, 1), 0);
    assert_int_equal(getsockname(front->listen_fd, (struct sockaddr *)&address, &len), 0);
    len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
    memcpy(front->name, address.sun_path, len);
    front->name[0] = '@';
    assert_int_equal(pthread_create(&front->thread, NULL, serve, front), 0);
}

static void front_start_with(struct front *front, int file, int pool, bool plain)
{
    front_start_saying(front, WIRE_ARENA_GREETING, file, pool, plain);
}

static void front_start(struct front *front, int file, bool plain)
{
    front_start_with(front, file, -1, plain);
}

static void front_end(struct front *front)
{
    pthread_join(front->thread, NULL);
    close(front->listen_fd);
    for (unsigned i = 0; i < 2; i++)
        if (front->files[i] >= 0)
            close(front->files[i]);
}

static int file_of(off_t bytes, int seals)
{
    int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(file, bytes), 0);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    return file;
}

static struct wire_seat_welcome welcome_of(const char *path)
{
    return (struct wire_seat_welcome){.has_arena = true,
                                      .arena_path = {(const uint8_t *)path, strlen(path)},
                                      .arena_bytes = BYTES,
                                      .arena_token = {{7, 7, 7, 1}}};
}

static void an_arena_is_shared(void **state)
{
    int file = file_of(BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
    uint8_t *here = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct wire_seat_welcome welcome;
    struct arena *arena, *other;
    struct front front;
    const char *why;

    (void)state;
    front_start(&front, file, false);
    welcome = welcome_of(front.name);
    arena = arena_fetch(&neighbour, &welcome, NULL, &why);
    assert_non_null(arena);
    front_end(&front);
    assert_memory_equal(front.token, welcome.arena_token.bytes, 16);
    assert_int_equal(front.word, 1);
    arena_data(arena)[BYTES - 1] = 42;
    assert_int_equal(here[BYTES - 1], 42);
    munmap(here, BYTES);
    other = arena_ref(arena);
    arena_unref(&arena);
    assert_null(arena);
    assert_int_equal(arena_data(other)[BYTES - 1], 42); /* one reference still holds it */
    arena_unref(&other);
    arena_unref(&other); /* none is allowed */
    assert_null(arena_ref(NULL));
}

/* The worker goes on without, and the front is not told that anything was mapped. */
static void is_refused(int file, bool plain)
{
    struct wire_seat_welcome welcome;
    struct front front;
    const char *why = NULL;

    front_start(&front, file, plain);
    welcome = welcome_of(front.name);
    assert_null(arena_fetch(&neighbour, &welcome, NULL, &why));
    assert_non_null(why);
    front_end(&front);
    assert_int_equal(front.word, 0);
}

static void wrong_fronts_are_done_without(void **state)
{
    (void)state;
    is_refused(-1, false);                          /* hangs up */
    is_refused(-1, true);                           /* no descriptor */
    is_refused(file_of(BYTES, 0), false);           /* not sealed */
    is_refused(file_of(BYTES, F_SEAL_GROW), false); /* may shrink */
    is_refused(file_of(BYTES / 2, F_SEAL_SHRINK | F_SEAL_GROW), false); /* too short */
    is_refused(file_of(BYTES * 2, F_SEAL_SHRINK | F_SEAL_GROW), false); /* too long */
    is_refused(open("/dev/null", O_RDWR | O_CLOEXEC), false); /* no memory file */
}

static void addresses_that_are_none(void **state)
{
    static const char *const paths[] = {"", "@offloop-nobody-listens-here",
                                        "/nonexistent/socket"};
    char long_path[200];
    struct wire_seat_welcome welcome;
    const char *why = NULL;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        welcome = welcome_of(paths[i]);
        assert_null(arena_fetch(&neighbour, &welcome, NULL, &why));
        assert_non_null(why);
    }
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    welcome = welcome_of(long_path);
    assert_null(arena_fetch(&neighbour, &welcome, NULL, &why));
}

/* Whoever does not say what a door says is not told a single byte. */
static void others_are_told_nothing(void **state)
{
    static const char *const words[] = {"", "offloop arena 2\n", "-ERR unknown\r\n 123",
                                        "offloop arena"};

    (void)state;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        struct wire_seat_welcome welcome;
        struct front front;
        const char *why = NULL;

        front_start_saying(&front, words[i], file_of(BYTES, F_SEAL_SHRINK | F_SEAL_GROW),
                           -1, false);
        welcome = welcome_of(front.name);
        assert_null(arena_fetch(&neighbour, &welcome, NULL, &why));
        assert_non_null(why);
        front_end(&front);
        assert_true(front.told <= 0);
    }
}

/* Fetches, by a front at that URL, from a door with that name or path. Returns whether
   the door was connected to. */
static bool comes_to(const char *url, bool is_here, const char *path)
{
    const struct arena_front front = {url, is_here};
    struct wire_seat_welcome welcome = welcome_of(path);
    const char *why = NULL;

    assert_null(arena_fetch(&front, &welcome, NULL, &why));
    return strstr(why, "where no front of its server can be") == NULL;
}

static void only_its_fronts_sockets_are_connected_to(void **state)
{
    (void)state;
    assert_true(comes_to("ipc:///nonexistent/rpc-1", false, "/elsewhere/door"));
    assert_true(comes_to("tcp://127.0.0.1:1", true, "@fffff"));
    assert_false(comes_to("tcp://192.0.2.1:1", false, "@fffff"));
    assert_false(comes_to("tcp://127.0.0.1:1", true, "/run/redis/redis.sock"));
    assert_false(comes_to("tcp://127.0.0.1:1", true, "@/tmp/.X11-unix/X0"));
    assert_false(comes_to("ipc:///nonexistent/rpc-1", false, "@fffff"));
}

/* The socket stands last, and is taken where it is wanted, with an arena or without. */
static void fetch_with_socket(int file, bool is_wanted, unsigned word)
{
    struct wire_seat_welcome welcome;
    struct arena *arena;
    struct front front;
    int ends[2], fast = -1;
    const char *why;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    front_start_with(&front, file, ends[1], false);
    welcome = welcome_of(front.name);
    welcome.has_fastpath = true;
    arena = arena_fetch(&neighbour, &welcome, is_wanted ? &fast : NULL, &why);
    front_end(&front);
    assert_int_equal(front.word, word);
    assert_int_equal(arena != NULL, (word & WIRE_TOOK_ARENA) != 0);
    assert_int_equal(fast >= 0, is_wanted);
    if (is_wanted) {
        assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(fast, &(char){0}, 1, 0), 1);
        close(fast);
    }
    assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), -1); /* nothing is left open */
    close(ends[0]);
    arena_unref(&arena);
}

static void a_fast_path_comes_last(void **state)
{
    const int sound = F_SEAL_SHRINK | F_SEAL_GROW;

    (void)state;
    fetch_with_socket(file_of(BYTES, sound), true, WIRE_TOOK_ARENA | WIRE_TOOK_FASTPATH);
    fetch_with_socket(file_of(BYTES, sound), false, WIRE_TOOK_ARENA);
    fetch_with_socket(file_of(BYTES / 2, sound), true, WIRE_TOOK_FASTPATH);
}

/* What a worker has of a front that offers a pool of such a size, and has that one. */
static struct arena *fetch_with_pool(uint64_t pool_bytes, int pool, uint8_t *word_r)
{
    int file = file_of(BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
    struct wire_seat_welcome welcome;
    struct arena *arena;
    struct front front;
    const char *why;

    front_start_with(&front, file, pool, false);
    welcome = welcome_of(front.name);
    welcome.pool_bytes = pool_bytes;
    arena = arena_fetch(&neighbour, &welcome, NULL, &why);
    assert_non_null(arena);
    front_end(&front);
    *word_r = front.word;
    return arena;
}

#define POOL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static void a_pool_is_read_behind_the_arena(void **state)
{
    int pool = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct arena *arena;
    uint8_t *here, word;

    (void)state;
    assert_int_equal(ftruncate(pool, 3 * BYTES), 0);
    here = mmap(NULL, 3 * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, pool, 0);
    assert_int_equal(fcntl(pool, F_ADD_SEALS, POOL_SEALS), 0);
    arena = fetch_with_pool(3 * BYTES, pool, &word);
    assert_int_equal(word, 2);
    assert_int_equal(arena_pool_bytes(arena), 3 * BYTES);
    here[0] = 17;
    here[3 * BYTES - 1] = 42;
    assert_int_equal(arena_data(arena)[BYTES], 17);
    assert_int_equal(arena_data(arena)[4 * BYTES - 1], 42);
    arena_data(arena)[BYTES - 1] = 5; /* the arena's own */
    assert_int_equal(here[0], 17);
    /* not writable, and not to be made so */
    assert_int_equal(
        mprotect(arena_data(arena) + BYTES, 3 * BYTES, PROT_READ | PROT_WRITE), -1);
    arena_unref(&arena);
    munmap(here, 3 * BYTES);
}

static void is_done_without(uint64_t pool_bytes, int pool)
{
    uint8_t word;
    struct arena *arena = fetch_with_pool(pool_bytes, pool, &word);

    assert_int_equal(word, 1);
    assert_int_equal(arena_pool_bytes(arena), 0);
    arena_data(arena)[BYTES - 1] = 42;
    arena_unref(&arena);
}

/* The arena is had all the same. */
static void wrong_pools_are_done_without(void **state)
{
    (void)state;
    is_done_without(BYTES, -1);                            /* none came */
    is_done_without(BYTES, file_of(BYTES, 0));             /* unsealed */
    is_done_without(BYTES, file_of(BYTES, F_SEAL_SHRINK)); /* may grow */
    is_done_without(BYTES, file_of(BYTES, F_SEAL_GROW));   /* may shrink */
    is_done_without(BYTES, file_of(BYTES / 2, F_SEAL_SHRINK | F_SEAL_GROW)); /* short */
    is_done_without(BYTES, open("/dev/null", O_RDWR | O_CLOEXEC));
    is_done_without(UINT64_MAX, file_of(BYTES, POOL_SEALS));
    is_done_without(UINT64_MAX - BYTES, file_of(BYTES, POOL_SEALS));
    is_done_without(0, file_of(BYTES, POOL_SEALS)); /* it was not announced */
}

/* Of that many bytes, none of which takes memory. */
static struct arena *fetch_large(uint64_t pool_bytes, uint8_t *word)
{
    return fetch_with_pool(pool_bytes, file_of((off_t)pool_bytes, POOL_SEALS), word);
}

/* Jobs and messages need address space, too. */
static void fronts_cannot_have_it_all(void **state)
{
    const uint64_t most = ARENA_MAPPED_MAX_BYTES - BYTES;
    struct arena *arenas[3];
    uint8_t word;

    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* nothing stays claimed */
        is_done_without(most + BYTES, file_of((off_t)(most + BYTES), POOL_SEALS));
        arenas[0] = fetch_large(most, &word);
        assert_int_equal(word, 2);
        assert_int_equal(arena_pool_bytes(arenas[0]), most);
        is_refused(file_of(BYTES, F_SEAL_SHRINK | F_SEAL_GROW), false);
        arena_unref(&arenas[0]);
    }
    arenas[0] = fetch_large(most / 2, &word);
    assert_int_equal(word, 2);
    arenas[1] = fetch_large(most / 2 + BYTES, &word);
    assert_int_equal(word, 1); /* the arena alone */
    arenas[2] = fetch_large(BYTES, &word);
    assert_int_equal(word, 2); /* a smaller one still fits */
    for (unsigned i = 0; i < 3; i++)
        arena_unref(&arenas[i]);
}

static bool fits(const struct arena *arena, bool in_arena, uint64_t offset, size_t len,
                 bool has_reply, uint64_t reply_offset, uint64_t reply_bytes)
{
    static struct wire_jobs jobs;

    jobs.count = 2; /* the first is well: every one counts */
    jobs.jobs[0] = (struct wire_job){.payload = {.bytes = {NULL, 3}}};
    jobs.jobs[1] = (struct wire_job){
        .has_reply_space = has_reply,
        .reply_offset = reply_offset,
        .reply_bytes = reply_bytes,
        .payload = {.bytes = {NULL, len}, .in_arena = in_arena, .offset = offset}};
    return arena_fits(arena, &jobs);
}

static void jobs_must_lie_inside(void **state)
{
    struct wire_seat_welcome welcome;
    struct arena *arena;
    struct front front;
    const char *why;

    (void)state;
    front_start(&front, file_of(BYTES, F_SEAL_SHRINK | F_SEAL_GROW), false);
    welcome = welcome_of(front.name);
    arena = arena_fetch(&neighbour, &welcome, NULL, &why);
    assert_non_null(arena);
    front_end(&front);
    assert_true(fits(arena, false, 0, 1 << 30, false, 0, 0)); /* in the message */
    assert_true(fits(arena, true, 0, BYTES, true, 0, BYTES));
    assert_true(fits(arena, true, BYTES, 0, true, BYTES, 0));
    assert_true(fits(arena, true, BYTES - 1, 1, false, 0, 0));
    assert_false(fits(arena, true, BYTES - 1, 2, false, 0, 0));
    assert_false(fits(arena, true, BYTES + 1, 0, false, 0, 0));
    assert_false(fits(arena, true, UINT64_MAX, 2, false, 0, 0));
    assert_false(fits(arena, true, 1, SIZE_MAX, false, 0, 0));
    assert_false(fits(arena, false, 0, 1, true, 0, BYTES + 1));
    assert_false(fits(arena, false, 0, 1, true, UINT64_MAX, UINT64_MAX));
    assert_false(fits(arena, false, 0, 1, true, BYTES, 1));
    arena_unref(&arena);
    assert_true(fits(NULL, false, 0, 1, false, 0, 0));
    assert_false(fits(NULL, true, 0, 0, false, 0, 0));
    assert_false(fits(NULL, false, 0, 1, true, 0, 0));
}

static void payloads_must_not_cross_into_the_pool(void **state)
{
    uint8_t word;
    struct arena *arena = fetch_with_pool(BYTES, file_of(BYTES, POOL_SEALS), &word);

    (void)state;
    assert_int_equal(word, 2);
    assert_true(fits(arena, true, 0, BYTES, true, 0, BYTES));
    assert_true(fits(arena, true, BYTES, BYTES, false, 0, 0));
    assert_true(fits(arena, true, 2 * BYTES - 1, 1, true, 0, 1));
    assert_true(fits(arena, true, 2 * BYTES, 0, false, 0, 0));
    assert_false(fits(arena, true, BYTES - 1, 2, false, 0, 0));
    assert_false(fits(arena, true, 0, BYTES + 1, false, 0, 0));
    assert_false(fits(arena, true, BYTES, BYTES + 1, false, 0, 0));
    assert_false(fits(arena, true, 2 * BYTES - 1, 2, false, 0, 0));
    assert_false(fits(arena, true, 2 * BYTES + 1, 0, false, 0, 0));
    assert_false(fits(arena, true, BYTES + 1, SIZE_MAX, false, 0, 0));
    assert_false(fits(arena, true, UINT64_MAX, 2, false, 0, 0));
    /* results only where the worker may write */
    assert_false(fits(arena, true, BYTES, 1, true, BYTES, 1));
    assert_false(fits(arena, true, BYTES, 1, true, BYTES - 1, 2));
    assert_false(fits(arena, false, 0, 1, true, 2 * BYTES - 1, 1));
    arena_unref(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_is_shared),
        cmocka_unit_test(wrong_fronts_are_done_without),
        cmocka_unit_test(a_fast_path_comes_last),
        cmocka_unit_test(a_pool_is_read_behind_the_arena),
        cmocka_unit_test(wrong_pools_are_done_without),
        cmocka_unit_test(fronts_cannot_have_it_all),
        cmocka_unit_test(payloads_must_not_cross_into_the_pool),
        cmocka_unit_test(addresses_that_are_none),
        cmocka_unit_test(others_are_told_nothing),
        cmocka_unit_test(only_its_fronts_sockets_are_connected_to),
        cmocka_unit_test(jobs_must_lie_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
