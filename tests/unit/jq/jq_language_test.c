/*
 * What programs mean: language.cases, one case after another, with an empty line between
 * them: program, input, results, and where it fails "! OFFSET REASON".
 */
#include "tests/unit/jq/jq_job.h"

#define CASES "tests/unit/jq/language.cases"

static char *read_line(FILE *file, char **line, size_t *size)
{
    ssize_t len = getline(line, size, file);

    if (len <= 0)
        return NULL;
    if ((*line)[len - 1] == '\n')
        (*line)[len - 1] = 0;
    return *line;
}

static void test_cases(void **state)
{
    FILE *file = fopen(CASES, "r");
    char *program = NULL, *input = NULL, *line = NULL;
    size_t sizes[3] = {0, 0, 0}, count = 0;

    (void)state;
    assert_non_null(file);
    while (read_line(file, &program, &sizes[0]) != NULL) {
        struct buf expected = BUF_INIT;

        assert_non_null(read_line(file, &input, &sizes[1]));
        while (read_line(file, &line, &sizes[2]) != NULL && line[0] != 0)
            buf_printf(&expected, "%s\n", line);
        buf_append(&expected, "", 1);
        check_jq(program, input, (const char *)expected.data);
        buf_free(&expected);
        count++;
    }
    assert_true(count > 500);
    fclose(file);
    free(program);
    free(input);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
