/* docs/JQ.md keeps its word: each row "| `program` | `input` | results |" of its tables
   is run. In a row `|` is written `\|`. */
#include <ctype.h>

#include "tests/unit/jq/jq_job.h"

#define DOCUMENT "docs/JQ.md"
#define MAX_CELL 1000

/* The next cell behind a `|`, without the spaces at its ends; NULL behind the last. */
static const char *next_cell(const char *at, char *cell)
{
    size_t len = 0;

    if (*at != '|')
        return NULL;
    for (at++; *at == ' ';)
        at++;
    for (; *at != 0 && *at != '|' && len < MAX_CELL - 1; at++) {
        if (at[0] == '\\' && at[1] == '|')
            at++;
        cell[len++] = *at;
    }
    while (len > 0 && isspace((unsigned char)cell[len - 1]))
        len--;
    cell[len] = 0;
    return *at == '|' ? at : NULL;
}

/* What stands between two backquotes at `at`, into text; returns what follows. */
static const char *take_code(const char *at, char *text)
{
    size_t len;

    if (*at != '`')
        return NULL;
    len = strcspn(at + 1, "`");
    memcpy(text, at + 1, len);
    text[len] = 0;
    return at + len + 2;
}

/* True where the cell is code and nothing else. */
static bool is_code(const char *cell, char *text)
{
    const char *end = take_code(cell, text);

    return end != NULL && *end == 0;
}

/* The cell of results as lines: "`1` `2` error at byte 3: why". */
static void write_expected(const char *cell, struct buf *expected)
{
    static const char error[] = "error at byte ";
    char text[MAX_CELL];

    while (*cell == '`') {
        cell = take_code(cell, text);
        buf_printf(expected, "%s\n", text);
        while (*cell == ' ')
            cell++;
    }
    if (strncmp(cell, error, strlen(error)) == 0) {
        const char *colon = strchr(cell, ':');

        assert_non_null(colon);
        buf_printf(expected, "! %.*s%s\n", (int)(colon - cell - (int)strlen(error)),
                   cell + strlen(error), colon + 1);
    }
    buf_append(expected, "", 1);
}

/* Runs a row that has a program; says whether it has. */
static bool check_row(const char *line)
{
    char cells[3][MAX_CELL], program[MAX_CELL], input[MAX_CELL];
    struct buf expected = BUF_INIT;

    for (int i = 0; i < 3; i++)
        if ((line = next_cell(line, cells[i])) == NULL)
            return false;
    if (!is_code(cells[0], program) || !is_code(cells[1], input))
        return false;
    write_expected(cells[2], &expected);
    check_jq(program, input, (const char *)expected.data);
    buf_free(&expected);
    return true;
}

static void test_examples(void **state)
{
    FILE *file = fopen(DOCUMENT, "r");
    char *line = NULL;
    size_t size = 0, rows = 0;

    (void)state;
    assert_non_null(file);
    while (getline(&line, &size, file) > 0)
        rows += check_row(line);
    assert_true(rows > 120);
    fclose(file);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
