/* Every verb that a help text, a page or a script names is one: `tiebreak VERB` in a sentence,
 * `build/tiebreak VERB` in a command. */
#include <ctype.h>
#include <ftw.h>

#include "cli/verbs.h"
#include "core/file.h"
#include "core/str.h"
#include "core/test.h"

static bool is_verb(const char *word, size_t n)
{
    for (const verb *const *v = verb_table; *v; v++)
        if (strlen((*v)->name) == n && !strncmp((*v)->name, word, n)) return true;
    return n == 4 && !strncmp(word, "help", n);
}

static size_t word_length(const char *s) { return strspn(s, "abcdefghijklmnopqrstuvwxyz-"); }

static bool begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* What may stand between verbs that are listed, each in backquotes. */
static const char *after_joint(const char *s)
{
    static const char *const joints[] = { "`, `", "` and `", "` or `", "`, or `", "`, and `" };
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++)
        if (begins(s, joints[i])) return s + strlen(joints[i]);
    return NULL;
}

/* Whether the "tiebreak " at s begins a command: with its path or without, at the beginning of a
 * line, of a text in quotes, or after another command. */
static bool is_program(const char *text, const char *s)
{
    bool path = s > text && s[-1] == '/';
    while (path && s > text && (isalnum((unsigned char)s[-1]) || strchr("/._-$", s[-1]))) s--;
    if (s > text && s[-1] == '`') return true;
    while (s > text && s[-1] == ' ') s--;
    return s == text || strchr(path ? "|&;(\n" : "|&;(\n\"", s[-1]);
}

static int named; /* how many were looked at */

static void check_text(const char *text, const char *where)
{
    static const char program[] = "tiebreak ";
    for (const char *s = text; (s = strstr(s, program)); s += strlen(program)) {
        const char *word = s + strlen(program), *next = word;
        if (!is_program(text, s)) continue;
        for (bool quoted = s > text && s[-1] == '`'; next; next = quoted ? after_joint(word) : NULL) {
            size_t n = word_length(word = next);
            if (!n || *word == '-' || begins(word, program) || (word[n] && !strchr(" \n\"`'\\)", word[n])))
                break; /* VERB, $verb, a path */
            named++;
            if (!is_verb(word, n)) fail_msg("%s: `tiebreak %.*s`: there is no such verb", where, (int)n, word);
            word += n;
        }
    }
}

/* A page, a script, or C code, whose help and messages are among it. */
static bool is_read(const char *path)
{
    const char *name = path_base(path), *dot = strrchr(name, '.');
    if (begins(path, "./build") || begins(path, "./.git/") || strstr(path, "/golden/")) return false;
    if (begins(path, "./scripts/") || begins(path, "./.ci/")) return true;
    return dot && strstr(".md .c .h .cu .cc .sh", dot) && strcmp(path, "./cli/verbs_test.c");
}

static int check_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    str text = { 0 };
    (void)st;
    (void)at;
    if (type == FTW_F && is_read(path)) {
        assert_ok(file_read(path, 16u << 20, &text));
        check_text(str_c(&text), path);
    }
    str_free(&text);
    return 0;
}

static void every_verb_that_is_named_exists(void **state)
{
    (void)state;
    assert_int_equal(nftw(".", check_file, 16, FTW_PHYS), 0);
    assert_true(named > 100);
}

/* Tests run from the repository's root; these are what the walk must find. */
static void what_names_a_verb_is_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int         count;
    } cases[] = {
        { "as `tiebreak report` and `eval` say", 2 },
        { "    build/tiebreak info --json", 1 },
        { "\"  tiebreak count --model mini\\n\"", 1 },
        { "which tiebreak writes", 0 },
        { "`tiebreak VERB ...`", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        named = 0;
        check_text(cases[i].text, "here");
        assert_int_equal(named, cases[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_names_a_verb_is_recognised),
        cmocka_unit_test(every_verb_that_is_named_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
