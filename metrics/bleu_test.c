#include "metrics/bleu.h"

#include "core/memory.h"
#include "metrics/bleu_tokenize.h"
#include "metrics/test_lines.h"

static void check_tokens(const char *why, const char *text, bleu_tokenizer tokenizer, const char *want)
{
    static bleu_tokenizer_scratch scratch;
    static vocabulary             words;
    static token_list             tokens;
    str                           got = { 0 };
    vocabulary_clear(&words);
    tokens_clear(&tokens);
    bleu_tokenize(&scratch, slice_of(text), tokenizer, false, &words, &tokens);
    for (int64_t i = 0; i < tokens.n; i++) {
        slice word = vocabulary_token(&words, tokens.ids[i]);
        if (i) str_putc(&got, ' ');
        str_add(&got, word.s, word.n);
    }
    if (strcmp(str_c(&got), want)) fail_msg("%s: \"%s\"", why, str_c(&got));
    str_free(&got);
}

static void tokenizes_as_13a(void **state)
{
    /* Expected: sacrebleu 2.6.0, Tokenizer13a()(text.rstrip()). */
    static const struct {
        const char *why, *text, *tokens;
    } cases[] = {
        { "a full stop after a word", "Hello, world.", "Hello , world ." },
        { "digits keep their points", "1,000.5 and 3.", "1,000.5 and 3 ." },
        { "a dash after a digit", "5-year well-known", "5 - year well-known" },
        { "an apostrophe stays", "it's 'so'", "it's 'so'" },
        { "brackets and signs", "(a)[b]{c}$5%", "( a ) [ b ] { c } $ 5 %" },
        { "entities once, in order", "&amp;quot; &lt;a&gt; &apos;", "& quot ; < a > & apos ;" },
        { "a broken word is joined", "foo-\nbar\nbaz", "foobar baz" },
        { "a dash before the end stays", "foo-\n", "foo-" },
        { "skipped goes", "a<skipped>b", "ab" },
        { "two points", "wait..", "wait . ." },
        { "a point after no digit", ".5 a.b", ". 5 a . b" },
        { "not ASCII: untouched", "„Ja“ – 5‚3", "„Ja“ – 5‚3" },
        { "blanks of all kinds end a token", "x\xC2\xA0y\xE3\x80\x80z", "x y z" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_tokens(cases[i].why, cases[i].text, BLEU_13A, cases[i].tokens);
}

/* Expected: sacrebleu 2.6.0, BLEU(tokenize=...).tokenizer(text.rstrip()), split and joined. */
static void tokenizes_as_the_other_tokenizers_do(void **state)
{
    static const struct {
        bleu_tokenizer tokenizer;
        const char    *text, *tokens;
    } cases[] = {
        { BLEU_INTL, "Hello, world.", "Hello , world ." },
        /* a point at the end stays with its number */
        { BLEU_INTL, "1,000.5 and 3.", "1,000.5 and 3." },
        { BLEU_INTL, "a-b -5", "a - b - 5" },
        { BLEU_INTL, "(x)", "( x )" },
        { BLEU_INTL, "“Zitat”, 5‚3", "“ Zitat ” , 5‚3" },
        { BLEU_INTL, "5€ + 3=8", "5 € + 3 = 8" },
        { BLEU_INTL, "a…b", "a … b" },
        { BLEU_INTL, "年。月", "年 。 月" },
        { BLEU_INTL, "٣,٥ x", "٣,٥ x" },
        { BLEU_INTL, "½,x", "½ , x" },
        { BLEU_INTL, "I said: no!", "I said : no !" },
        { BLEU_INTL, "x\xCC\x81.", "x\xCC\x81 ." },
        { BLEU_INTL, "10.", "10." },
        { BLEU_INTL, "$5.00", "$ 5.00" },
        { BLEU_INTL, "a_b", "a _ b" },
        { BLEU_INTL, "^`~|", "^ ` ~ |" },
        { BLEU_INTL, "&amp; x", "& amp ; x" },
        { BLEU_CHAR, "ab c", "a b c" },
        { BLEU_CHAR, "語 a", "語 a" },
        { BLEU_CHAR, "x\xCC\x81y", "x \xCC\x81 y" },
        { BLEU_NONE, " a  b.\tc ", "a b. c" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_tokens("tokenizer", cases[i].text, cases[i].tokenizer, cases[i].tokens);
}

static metric with(metric_options o)
{
    metric_list list = { 0 };
    assert_ok(metric_list_add(&list, "bleu", &o, "test"));
    return list.rows[0];
}

/* Expected: BLEU(...).corpus_score(["the cat sat on a mat", "x y"], [["the cat is on the mat",
 * "x z y"]]), the sentence scores with effective order, and the signature. */
static void smooths_as_sacrebleu_does(void **state)
{
    static const struct {
        metric_options o;
        double         corpus, first, second;
        const char    *smooth;
    } cases[] = {
        { { 0 }, 16.763815976519318, 19.304869754804482, 42.88819424803536, "exp" },
        { { .smooth = BLEU_FLOOR }, 8.915493372506354, 10.266900960803408, 19.180183554164504, "floor[0.10]" },
        { { .smooth = BLEU_FLOOR, .smooth_value = 0.5 },
          19.935649233873054,
          22.957488466614336,
          42.88819424803536,
          "floor[0.50]" },
        { { .smooth = BLEU_ADD_K }, 28.392523610620607, 32.46679154750989, 51.0029457493824, "add-k[1.00]" },
        { { .smooth = BLEU_ADD_K, .smooth_value = 2 },
          38.8347940824259,
          44.17918226831576,
          54.80623193671369,
          "add-k[2.00]" },
        { { .smooth = BLEU_NO_SMOOTHING }, 0, 0, 0, "none" },
    };
    const slice refs[]  = { slice_of("the cat is on the mat"), slice_of("x z y") },
                texts[] = { slice_of("the cat sat on a mat"), slice_of("x y") };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        metric m = with(cases[i].o);
        double stats[2 * BLEU_STATS];
        str    sign = { 0 }, want = { 0 };
        for (int k = 0; k < 2; k++)
            metric_item(&m, &(metric_input) { .prediction = texts[k], .references = &refs[k], .n_references = 1 },
                        stats + k * BLEU_STATS);
        assert_within(fabs(metric_value(&m, stats, 2) - cases[i].corpus), 1e-12);
        assert_within(fabs(metric_sentence(&m, stats) - cases[i].first), 1e-12);
        assert_within(fabs(metric_sentence(&m, stats + BLEU_STATS) - cases[i].second), 1e-12);
        metric_signature(&m, 1, &sign);
        str_printf(&want, "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:%s|version:2.6.0", cases[i].smooth);
        assert_string_equal(str_c(&sign), str_c(&want));
        str_free(&sign);
        str_free(&want);
    }
}

/* Expected: BLEU(lowercase=True, tokenize="intl", effective_order=True) with two references for
 * the first text and three for the second. */
static void takes_all_references_and_options(void **state)
{
    const slice first[]  = { slice_of("the cat"), slice_of("THE CAT SAT"), slice_of("x") },
                second[] = { slice_of("a dog runs"), slice_of("the dog ran home") };
    metric m             = with((metric_options) { .lowercase = true, .tokenize = BLEU_INTL, .effective_order = true });
    double stats[2 * BLEU_STATS];
    str    sign = { 0 };
    (void)state;
    metric_item(&m, &(metric_input) { .prediction = slice_of("The Cat"), .references = first, .n_references = 3 },
                stats);
    metric_item(
        &m, &(metric_input) { .prediction = slice_of("a dog ran home now"), .references = second, .n_references = 2 },
        stats + BLEU_STATS);
    assert_within(fabs(metric_value(&m, stats, 2) - 48.89230224349011), 1e-12);
    metric_signature(&m, 0, &sign);
    assert_string_equal(str_c(&sign), "BLEU|nrefs:var|case:lc|eff:yes|tok:intl|smooth:exp|version:2.6.0");
    str_free(&sign);
}

static void counts_against_several_references(void **state)
{
    const slice          refs[] = { slice_of("the cat is on the mat now ok"), slice_of("there is a cat on the mat") };
    const metric_options o      = { 0 };
    double               stats[BLEU_STATS];
    (void)state;
    /* Papineni et al. 2002: "the" seven times has a modified unigram precision of 2/7. */
    bleu_stats(slice_of("the the the the the the the"), refs, 2, &o, stats);
    assert_true(stats[0] == 7 && stats[1] == 7 && stats[2] == 2 && stats[6] == 7 && stats[3] == 0 && stats[9] == 4);
    /* The reference of the closest length counts, the shorter one on ties. */
    const slice lengths[] = { slice_of("a b c d e"), slice_of("a b c") };
    bleu_stats(slice_of("a b c d"), lengths, 2, &o, stats);
    assert_true(stats[1] == 3);
}

static void smooths_and_stops_as_sacrebleu_does(void **state)
{
    const metric_options o = { 0 };
    (void)state;
    /* A hypothesis of 2 tokens against 4, both of which match: brevity e^-1; precisions 100, 100,
     * none, none. */
    const double short_one[BLEU_STATS] = { 2, 4, 2, 1, 0, 0, 2, 1, 0, 0 };
    assert_within(fabs(bleu_from_stats(short_one, &o, true).score - 100 * exp(-1)), 1e-12);
    assert_true(bleu_from_stats(short_one, &o, false).score == 0);
    /* A zero count is smoothed, by half as much in each further order: 100/(2*2), 100/(4*1). */
    const double zeros[BLEU_STATS] = { 4, 4, 3, 1, 0, 0, 4, 3, 2, 1 };
    bleu_score   s                 = bleu_from_stats(zeros, &o, false);
    assert_true(s.precision[0] == 75 && s.precision[2] == 25 && s.precision[3] == 25);
    assert_within(fabs(s.score - exp((log(75) + log(100. / 3) + 2 * log(25)) / 4)), 1e-12);
    const double nothing[BLEU_STATS] = { 0, 4 };
    assert_true(bleu_from_stats(nothing, &o, false).score == 0 && bleu_from_stats(nothing, &o, true).score == 0);
}

static void agrees_with_sacrebleu_on_iwslt(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/iwslt_de_en.jsonl");
    json         *lines = read_lines(path), *want = read_json(test_data("lm-eval-reference/results.json"));
    const metric *m     = metric_find("bleu");
    double       *stats = mem_alloc((size_t)json_size(lines) * BLEU_STATS, sizeof *stats);
    int64_t       n     = 0;
    for (const json *j = lines->child; j; j = j->next, n++) {
        slice        reference = text_at(j, "reference");
        metric_input in        = { .prediction = text_at(j, "text"), .references = &reference, .n_references = 1 };
        metric_item(m, &in, stats + n * BLEU_STATS);
        assert_within(fabs(metric_sentence(m, stats + n * BLEU_STATS) - at(at(j, "sentence"), "bleu")->valuedouble),
                      1e-9);
    }
    const json *task = at(at(want, "tasks"), "iwslt_de_en");
    assert_within(fabs(metric_value(m, stats, n) - number_at(task, "bleu,none")), 1e-9);
    assert_within(fabs(metric_stderr(m, stats, n) - number_at(task, "bleu_stderr,none")), 1e-9);
    slice line = text_at(at(at(task, "official"), "bleu"), "line");
    str   sign = { 0 };
    metric_signature(m, 1, &sign);
    assert_true(!strncmp(line.s, sign.s, sign.n));
    str_free(&sign);
    free(stats);
    json_free(lines);
    json_free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizes_as_13a),
        cmocka_unit_test(tokenizes_as_the_other_tokenizers_do),
        cmocka_unit_test(smooths_as_sacrebleu_does),
        cmocka_unit_test(takes_all_references_and_options),
        cmocka_unit_test(counts_against_several_references),
        cmocka_unit_test(smooths_and_stops_as_sacrebleu_does),
        reference_test(agrees_with_sacrebleu_on_iwslt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
