/* For tests: numbers that other programs computed.
 *
 * They lie under the same names in two places: small golden files in the repository, made by
 * scripts/reference-env from texts and models of our own, and larger data in $TIEBREAK_DATA
 * [../shared/data] where that folder is there. A test listed with reference_test() runs in each
 * place; every other test reads the golden files.
 *
 *     need_data(path, "peft-reference/schedules.json");       skips where the file is missing
 *     cmocka_unit_test(f)  ->  reference_test(f)              f runs once a place
 *                          ->  published_test(f)              f runs on the larger data alone
 */
#ifndef TIEBREAK_CORE_TEST_REFERENCE_H
#define TIEBREAK_CORE_TEST_REFERENCE_H
#include <glob.h>
#include <stdbool.h>

#include "core/test.h"

/* Where the golden files of each set lie; the longest of several matching names comes first. */
static const char *const golden_folders[][2] = {
    /* of a classifier, as PEFT wrote it once and writes it now */
    { "adapters/gpt2-lora-emotion", "adapters/golden/foreign/older" },
    { "adapters/distilbert-lora-imdb", "adapters/golden/foreign/newer" },
    { "lm-eval-reference/logs/samples_hellaswag_3shot_2026-11-23T19-07-21.508005.jsonl",
      "eval/golden/logs/samples_hellaswag_3shot.jsonl" },
    { "lm-eval-reference/logs/results_2026-11-23T19-07-21.508005.json",
      "eval/golden/logs/results_hellaswag_3shot.json" },
    { "lm-eval-reference/logs/samples_gsm8k_2026-11-23T19-07-49.959289.jsonl", "eval/golden/logs/samples_gsm8k.jsonl" },
    { "lm-eval-reference/logs/results_2026-11-23T19-07-49.959289.json", "eval/golden/logs/results_gsm8k.json" },
    { "dialogsum/bart_large_output.test.part.txt", "metrics/golden/dialogsum/output.txt" },
    { "models/stories260K-hf", "model/golden/base" },
    { "models/stories260K", "model/golden" },
    { "tokenizers/reference/decode_slices.jsonl", "tokenizer/golden/slices.jsonl" },
    { "tokenizers", "tokenizer/golden" },
    { "peft-reference/nf4", "model/golden/nf4" },
    { "peft-reference", "adapters/golden" },
    { "lm-eval-reference", "eval/golden" },
    { "", "metrics/golden" },
};

/* True while a reference_test() reads the larger data. */
static bool reference_beside;

static inline const char *reference_root(void)
{
    const char *root = getenv("TIEBREAK_DATA");
    return root ? root : "../shared/data";
}

/* The path of one file or folder of reference data, or NULL where the present place has no such
 * file. A `*` in the name stands for anything. Static buffer, valid until 8 more calls. */
static inline const char *test_data(const char *name)
{
    static char path[8][1024];
    static int  next;
    char       *p    = path[next++ & 7];
    const char *root = reference_root(), *rest = name;
    if (!reference_beside) {
        int k = 0;
        while (strncmp(name, golden_folders[k][0], strlen(golden_folders[k][0]))) k++;
        root = golden_folders[k][1];
        rest = name + strlen(golden_folders[k][0]);
        rest += *rest == '/';
    }
    snprintf(p, sizeof path[0], *rest ? "%s/%s" : "%s", root, rest);
    glob_t found;
    bool   exists = glob(p, 0, NULL, &found) == 0;
    if (exists) snprintf(p, sizeof path[0], "%s", found.gl_pathv[0]);
    globfree(&found);
    return exists ? p : NULL;
}
#define need_data(variable, name)                                                                                      \
    const char *variable = test_data(name);                                                                            \
    if (!variable) skip_because("%s is not at hand; with it in DIR: TIEBREAK_DATA=DIR scripts/test --no-deps", name)

typedef struct {
    CMUnitTestFunction run;
} reference_body;

static inline void run_in_each_place(void **state)
{
    const reference_body *test    = (const reference_body *)*state;
    void                 *nothing = NULL;
    test->run(&nothing);
    if (access(reference_root(), R_OK)) return;
    print_message("the same with the data of %s\n", reference_root());
    reference_beside = true;
    test->run(&nothing);
}
static inline void run_on_published(void **state)
{
    const reference_body *test    = (const reference_body *)*state;
    void                 *nothing = NULL;
    reference_beside              = true;
    test->run(&nothing);
}
static inline int leave_reference(void **state)
{
    (void)state;
    reference_beside = false;
    return 0;
}
#define reference_test(f)                                                                                              \
    {                                                                                                                  \
#f, run_in_each_place, NULL, leave_reference, &(reference_body) { f }                                          \
    }
/* For data of others that no golden file can stand in for, since it is not ours to copy. */
#define published_test(f)                                                                                              \
    {                                                                                                                  \
#f, run_on_published, NULL, leave_reference, &(reference_body) { f }                                           \
    }
#endif
