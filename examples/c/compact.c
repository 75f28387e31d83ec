/* liboffloop in a program without a loop: compacts a JSON text. See clients/c/README.md.
 */
#include <stdio.h>

#include <offloop.h>
#include <offloop_poll.h>

static void done(void *user, const struct offloop_result *result)
{
    (void)user;
    if (result->outcome == OFFLOOP_OK)
        printf("%.*s\n", (int)result->len, (const char *)result->data);
    else
        fprintf(stderr, "%s\n", result->message);
}

int main(void)
{
    struct offloop *offloop = offloop_create(NULL, NULL);
    struct offloop_request request = {
        .op = OFFLOOP_COMPACT, .data = "{\"a\": [1, 2]}", .len = 13};

    if (offloop == NULL || offloop_submit(offloop, &request, done, NULL) == 0) {
        perror("offloop");
        return 1;
    }
    offloop_poll_all(offloop); /* in a program with a loop: one of the adapters */
    offloop_destroy(offloop);
    return 0;
}
