/* For tests of verbs: one is run as from the command line, with what it prints kept. */
#ifndef TIEBREAK_CLI_TEST_VERB_H
#define TIEBREAK_CLI_TEST_VERB_H
#include <fcntl.h>

#include "cli/verbs.h"
#include "core/file.h"
#include "core/json.h"
#include "core/test.h"

enum { TEST_VERB_ARGS = 40 };

/* Runs the verb on words separated by blanks. *printed, which the caller frees, becomes what went
 * to stdout. */
static inline int test_verb(const verb *v, const char *words, str *printed)
{
    char copy[2048], path[] = "/tmp/tiebreak-verb-XXXXXX", *argv[TEST_VERB_ARGS] = { 0 };
    int  argc = 0, file = mkstemp(path), keep = dup(1);
    assert_true(file >= 0 && keep >= 0);
    snprintf(copy, sizeof copy, "%s %s", v->name, words);
    for (char *w = strtok(copy, " "); w && argc < TEST_VERB_ARGS - 1; w = strtok(NULL, " ")) argv[argc++] = w;
    fflush(stdout);
    dup2(file, 1);
    int rc = v->run(argc, argv);
    fflush(stdout);
    dup2(keep, 1);
    close(keep);
    close(file);
    str_clear(printed);
    assert_ok(file_read(path, 16u << 20, printed));
    unlink(path);
    return rc;
}

/* The same of a verb that prints one JSON document, whatever its status; the caller frees it. */
static inline json *test_verb_json(const verb *v, const char *words, int *rc)
{
    str   printed = { 0 };
    json *j       = NULL;
    *rc           = test_verb(v, words, &printed);
    if (printed.n) assert_int_equal(json_parse(&j, printed.s, printed.n, "stdout"), OK);
    str_free(&printed);
    return j;
}
#endif
