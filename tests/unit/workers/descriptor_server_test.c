/* Handing out an arena's descriptor: to whom, once asked how, and to nobody else. */
#include <ev.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/workers/memory/descriptor_server.h"

static const struct wire_id token = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static struct ev_loop *loop;
static struct descriptor_server *descriptor_server;
static int arena_fd, pool_fd;
static unsigned asked, mapped, mapped_count;

static unsigned on_asked(void *ctx, const struct wire_id *which,
                         int files_r[DESCRIPTOR_SERVER_MAX_FILES])
{
    (void)ctx;
    asked++;
    files_r[0] = arena_fd;
    files_r[1] = pool_fd;
    if (memcmp(which, &token, sizeof token) != 0)
        return 0;
    return pool_fd < 0 ? 1 : 2;
}

static void on_mapped(void *ctx, const struct wire_id *which, unsigned count,
                      pid_t process)
{
    (void)ctx;
    assert_memory_equal(which, &token, sizeof token);
    assert_int_equal(process, getpid());
    mapped++;
    mapped_count = count;
}

static int setup(void **state)
{
    static const struct descriptor_server_events events = {on_asked, on_mapped};

    (void)state;
    asked = mapped = mapped_count = 0;
    pool_fd = -1;
    arena_fd = memfd_create("test", MFD_CLOEXEC);
    loop = ev_loop_new(0);
    descriptor_server = descriptor_server_create(loop, NULL, &events, NULL);
    assert_non_null(descriptor_server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    descriptor_server_destroy(&descriptor_server);
    assert_null(descriptor_server);
    ev_loop_destroy(loop);
    close(arena_fd);
    return 0;
}

static int connect_to_descriptor_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = descriptor_server_name(descriptor_server);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(name[0], '@');
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
        0);
    return fd;
}

static void run(void)
{
    for (unsigned i = 0; i < 8; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

/* Reads over the greeting where that comes next. */
static void skip_greeting(int from)
{
    char text[sizeof WIRE_ARENA_GREETING - 1];

    if (recv(from, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) == sizeof text &&
        memcmp(text, WIRE_ARENA_GREETING, sizeof text) == 0)
        assert_int_equal(recv(from, text, sizeof text, 0), sizeof text);
}

/* What the door has sent behind its greeting: 1 with descriptors (-1 for none), 0 at its
 * end, -1 for nothing.
 */
static int receive_files(int from, int files_r[2])
{
    char byte;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head;
    ssize_t got;

    skip_greeting(from);
    got = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    head = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    files_r[0] = files_r[1] = -1;
    if (head != NULL)
        memcpy(files_r, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return (int)got;
}

/* The same where one is expected. */
static int receive(int from, int *fd_r)
{
    int files[2], got = receive_files(from, files);

    assert_int_equal(files[1], -1);
    *fd_r = files[0];
    return got;
}

static void check_hung_up(int fd)
{
    int none;

    assert_int_equal(receive(fd, &none), 0);
    assert_int_equal(none, -1);
    close(fd);
}

/* By what it says first, and at once, a worker knows where it is. */
static void the_server_speaks_first(void **state)
{
    int guest = connect_to_descriptor_server();
    char text[64];

    (void)state;
    run();
    assert_int_equal(recv(guest, text, sizeof text, MSG_DONTWAIT), 16);
    assert_memory_equal(text, "offloop arena 1\n", 16);
    assert_int_equal(recv(guest, text, sizeof text, MSG_DONTWAIT), -1);
    assert_int_equal(asked, 0);
    close(guest);
    run();
}

static void the_token_gets_the_descriptor(void **state)
{
    const uint8_t word = 1;
    int guest = connect_to_descriptor_server(), fd;

    (void)state;
    assert_int_equal(write(guest, token.bytes, 16), 16);
    run();
    assert_int_equal(receive(guest, &fd), 1);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0); /* it is the very file */
    assert_int_equal(lseek(arena_fd, 0, SEEK_END), 4096);
    assert_int_equal(mapped, 0);
    assert_int_equal(write(guest, &word, 1), 1);
    run();
    assert_int_equal(asked, 1);
    assert_int_equal(mapped, 1);
    assert_int_equal(mapped_count, 1);
    close(fd);
    check_hung_up(guest);
}

/* A worker that is handed two and says of so many that they are mapped. */
static void hand_out_two(uint8_t word)
{
    int guest = connect_to_descriptor_server(), files[2];

    assert_int_equal(write(guest, token.bytes, 16), 16);
    run();
    assert_int_equal(receive_files(guest, files), 1);
    assert_true(files[0] >= 0 && files[1] >= 0); /* the arena's first */
    assert_int_equal(ftruncate(files[0], 4096), 0);
    assert_int_equal(ftruncate(files[1], 8192), 0);
    assert_int_equal(lseek(arena_fd, 0, SEEK_END), 4096);
    assert_int_equal(lseek(pool_fd, 0, SEEK_END), 8192);
    assert_int_equal(write(guest, &word, 1), 1);
    run();
    close(files[0]);
    close(files[1]);
    check_hung_up(guest);
}

static void a_pool_comes_with_the_arena(void **state)
{
    (void)state;
    pool_fd = memfd_create("test", MFD_CLOEXEC);
    hand_out_two(2);
    assert_int_equal(mapped_count, 2);
    hand_out_two(1); /* it can do without */
    assert_int_equal(mapped_count, 1);
    assert_int_equal(mapped, 2);
    hand_out_two(3);
    hand_out_two(0);
    hand_out_two(WIRE_TOOK_POOL | WIRE_TOOK_FASTPATH); /* three were not handed out */
    hand_out_two(8);
    assert_int_equal(mapped, 2);
    hand_out_two(WIRE_TOOK_ARENA |
                 WIRE_TOOK_FASTPATH); /* whether it was one knows who asks */
    assert_int_equal(mapped_count, WIRE_TOOK_ARENA | WIRE_TOOK_FASTPATH);
    hand_out_two(WIRE_TOOK_FASTPATH);
    assert_int_equal(mapped_count, WIRE_TOOK_FASTPATH);
    close(pool_fd);
}

/* The file is there while the door is, for our group; its name is told as it is. */
static void the_server_may_have_a_path(void **state)
{
    static const struct descriptor_server_events events = {on_asked, on_mapped};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct descriptor_server *at_path;
    struct stat st;
    int guest, fd;

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path,
             "/tmp/offloop-descriptor_server-%d", getpid());
    at_path = descriptor_server_create(loop, address.sun_path, &events, NULL);
    assert_non_null(at_path);
    assert_string_equal(descriptor_server_name(at_path), address.sun_path);
    assert_int_equal(stat(address.sun_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_null(descriptor_server_create(loop, address.sun_path, &events, NULL));
    assert_int_equal(stat(address.sun_path, &st), 0); /* it was another's */
    guest = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(guest, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(guest, token.bytes, 16), 16);
    run();
    assert_int_equal(receive(guest, &fd), 1);
    close(fd);
    close(guest);
    descriptor_server_destroy(&at_path);
    assert_int_equal(stat(address.sun_path, &st), -1);
    assert_null(descriptor_server_create(loop, "/no/such/directory/descriptor_server",
                                         &events, NULL));
}

static void a_path_too_long_is_refused(void **state)
{
    static const struct descriptor_server_events events = {on_asked, on_mapped};
    char path[200];

    (void)state;
    memset(path, 'x', sizeof path);
    memcpy(path, "/tmp/", 5);
    path[sizeof path - 1] = '\0';
    /* and no descriptor of others' is closed for it */
    if (fcntl(0, F_GETFD) < 0)
        assert_int_equal(open("/dev/null", O_RDONLY), 0);
    assert_null(descriptor_server_create(loop, path, &events, NULL));
    assert_int_not_equal(fcntl(0, F_GETFD), -1);
}

static void a_token_may_come_in_pieces(void **state)
{
    int guest = connect_to_descriptor_server(), fd;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(receive(guest, &fd), -1);
        assert_int_equal(asked, 0);
        assert_int_equal(write(guest, token.bytes + i, 1), 1);
        run();
    }
    assert_int_equal(receive(guest, &fd), 1);
    close(fd);
    close(guest);
    run();
    assert_int_equal(mapped, 0); /* it left without a word */
}

static void another_token_gets_nothing(void **state)
{
    struct wire_id wrong = token;
    int guest = connect_to_descriptor_server();

    (void)state;
    wrong.bytes[15] ^= 1;
    assert_int_equal(write(guest, wrong.bytes, 16), 16);
    run();
    assert_int_equal(asked, 1);
    check_hung_up(guest);
}

static void another_word_means_nothing(void **state)
{
    const uint8_t word = 2;
    int guest = connect_to_descriptor_server(), fd;

    (void)state;
    assert_int_equal(write(guest, token.bytes, 16), 16);
    run();
    assert_int_equal(receive(guest, &fd), 1);
    close(fd);
    assert_int_equal(write(guest, &word, 1), 1);
    run();
    assert_int_equal(mapped, 0);
    check_hung_up(guest);
}

static void leaving_early_hurts_nobody(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes <= 16; bytes += 4) {
        int guest = connect_to_descriptor_server();

        assert_int_equal(write(guest, token.bytes, bytes), bytes);
        close(guest);
        run();
    }
    assert_int_equal(mapped, 0);
    asked = 0;
    the_token_gets_the_descriptor(state);
}

/* More than are served at once: the others wait until some have left. */
static void a_crowd_is_served_in_the_end(void **state)
{
    enum { CROWD = 80 };
    int guests[CROWD], fd;
    unsigned served = 0;

    (void)state;
    for (unsigned i = 0; i < CROWD; i++) {
        guests[i] = connect_to_descriptor_server();
        run();
    }
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(write(guests[i], token.bytes, 16), 16);
    for (unsigned i = 0; i < CROWD; i++) {
        for (unsigned turn = 0; turn < 20; turn++)
            run();
        if (receive(guests[i], &fd) == 1)
            served++;
        close(fd);
        close(guests[i]);
    }
    assert_int_equal(served, CROWD);
}

static void ending_hangs_up(void **state)
{
    int asking = connect_to_descriptor_server(), mapping = connect_to_descriptor_server(),
        fd;

    (void)state;
    assert_int_equal(write(mapping, token.bytes, 16), 16);
    run();
    assert_int_equal(receive(mapping, &fd), 1);
    close(fd);
    descriptor_server_destroy(&descriptor_server);
    check_hung_up(asking);
    check_hung_up(mapping);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Asks as a process of another user, whose groups are 65534 and, where given, one more:
   true where it is served, false where it is hung up on. */
static bool is_served_as_another(const gid_t *more)
{
    pid_t pid = fork(), ended;
    char text[sizeof WIRE_ARENA_GREETING - 1];
    int status, guest;

    if (pid == 0) {
        if (setgroups(more != NULL, more) != 0 || setgid(65534) != 0 ||
            setuid(65534) != 0)
            _exit(2);
        guest = connect_to_descriptor_server();
        (void)!send(guest, token.bytes, 16, MSG_NOSIGNAL);
        _exit(recv(guest, text, sizeof text, MSG_WAITALL) == sizeof text &&
              recv(guest, text, 1, 0) == 1);
    }
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
        usleep(1000);
        run();
    }
    assert_int_equal(ended, pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 1;
}

/* What the log says meanwhile. */
static unsigned count_lines(int log, const char *what)
{
    char text[4096] = "";
    unsigned count = 0;

    assert_true(pread(log, text, sizeof text - 1, 0) >= 0);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void other_users_need_our_group(void **state)
{
    const gid_t ours = getegid();
    int log = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(dup2(log, STDERR_FILENO), STDERR_FILENO);
    assert_false(is_served_as_another(NULL));
    assert_false(is_served_as_another(NULL));
    assert_int_equal(asked, 0);
    assert_true(is_served_as_another(&ours)); /* not its first group */
    assert_int_equal(asked, 1);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(count_lines(log, "user 65534, group 65534 is neither ours"), 1);
    close(before);
    close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_server_speaks_first),
        TEST(the_token_gets_the_descriptor),
        TEST(a_pool_comes_with_the_arena),
        TEST(the_server_may_have_a_path),
        TEST(a_path_too_long_is_refused),
        TEST(a_token_may_come_in_pieces),
        TEST(another_token_gets_nothing),
        TEST(another_word_means_nothing),
        TEST(leaving_early_hurts_nobody),
        TEST(a_crowd_is_served_in_the_end),
        TEST(ending_hangs_up),
        TEST(other_users_need_our_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
