/*
 * jq's own library, as a server would use it: JSON text in, a program, JSON text out.
 *
 *     libjq_bench PROGRAM REPEAT FILE.json
 *
 * Prints how many bytes the results' text has. The program is compiled once. For
 * scripts/bench-jq.
 */
#include <jq.h>
#include <stdio.h>
#include <stdlib.h>

static void end(const char *why)
{
    fprintf(stderr, "libjq_bench: %s\n", why);
    exit(1);
}

static char *read_file(const char *path, int *len_r)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    ssize_t len = file != NULL ? getdelim(&text, &room, EOF, file) : -1;

    if (len < 0)
        end("the file is not to be read");
    fclose(file);
    *len_r = (int)len;
    return text;
}

/* Returns the bytes of the results' text. */
static int run_once(jq_state *jq, const char *text, int len)
{
    int bytes = 0;
    jv result;

    jq_start(jq, jv_parse_sized(text, len), 0);
    while (jv_is_valid(result = jq_next(jq))) {
        jv line = jv_dump_string(result, 0);

        bytes += jv_string_length_bytes(jv_copy(line));
        jv_free(line);
    }
    jv_free(result);
    return bytes;
}

int main(int argc, char **argv)
{
    jq_state *jq = jq_init();
    int len, bytes = 0;
    long repeat;
    char *text;

    if (argc != 4 || jq == NULL)
        end("libjq_bench PROGRAM REPEAT FILE.json");
    text = read_file(argv[3], &len);
    repeat = strtol(argv[2], NULL, 10);
    if (!jq_compile(jq, argv[1]))
        end("the program does not compile");
    for (long i = 0; i < repeat; i++)
        bytes = run_once(jq, text, len);
    printf("%d\n", bytes);
    free(text);
    jq_teardown(&jq);
    return 0;
}
