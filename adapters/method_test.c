/* Methods: the published counts to the digit, the language of specs, and what is refused. */
#include "core/test.h"
#include "adapters/method.h"

static int64_t count(const char *preset, const char *name, const char *sites, int64_t rank)
{
    model_config  c;
    method        m;
    site_set      s;
    method_counts n;
    assert_ok(config_load(&c, preset));
    assert_ok(method_find(&m, name));
    assert_ok(site_set_parse(&s, sites));
    assert_ok(method_count(&n, &m, &c, s, rank));
    int64_t by_scope = 0, by_factor = 0;
    for (int i = 0; i < SCOPE_COUNT; i++) by_scope += n.per_scope[i];
    for (int i = 0; i < FACTOR_COUNT; i++) by_factor += n.per_factor[i];
    assert_int_equal(by_scope, n.trainable);
    assert_int_equal(by_factor, n.trainable);
    assert_int_equal(n.bytes, 4 * (n.trainable + n.frozen));
    return n.trainable;
}

/* Every freeze pattern of the Tied-LoRA paper's table on the fused QKV of LLaMA-2 7B (L = 32, d =
 * 4096, D = 12288); the counts come from the published formula. */
enum { PATTERNS = 9 };
static const char *const patterns[PATTERNS] = {
    "lora",
    "vera",
    "A=tied:frozen,B=tied:train",                    /* B only */
    "A=tied:train:zero,B=tied:frozen",               /* A only */
    "A=tied:frozen,u=layer:train,B=tied:train",      /* B, u */
    "A=tied:train:zero,B=tied:frozen,v=layer:train", /* A, v */
    "tied-lora-ab",                                  /* A, B: TL5 */
    "A=tied:train,u=layer:train,B=tied:train",       /* A, B, u */
    "tied-lora",                                     /* A, B, u, v: TL6 */
};
static const struct {
    int64_t rank, trained[PATTERNS];
    double  share; /* TL6 / LoRA, percent */
} llama2_7b[] = {
    { 2, { 1048576, 393280, 24576, 8192, 24640, 401408, 32768, 32832, 426048 }, 40.631 },
    { 8, { 4194304, 393472, 98304, 32768, 98560, 425984, 131072, 131328, 524544 }, 12.506 },
    { 16, { 8388608, 393728, 196608, 65536, 197120, 458752, 262144, 262656, 655872 }, 7.819 },
    { 32, { 16777216, 394240, 393216, 131072, 394240, 524288, 524288, 525312, 918528 }, 5.475 },
    { 64, { 33554432, 395264, 786432, 262144, 788480, 655360, 1048576, 1050624, 1443840 }, 4.303 },
    { 128, { 67108864, 397312, 1572864, 524288, 1576960, 917504, 2097152, 2101248, 2494464 }, 3.717 },
};

static void tied_lora_table_to_the_digit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof llama2_7b / sizeof *llama2_7b; i++) {
        for (int p = 0; p < PATTERNS; p++)
            assert_int_equal(count("llama2-7b", patterns[p], "qkv", llama2_7b[i].rank), llama2_7b[i].trained[p]);
        double percent = 100.0 * (double)count("llama2-7b", "tied-lora", "qkv", llama2_7b[i].rank) /
                         (double)count("llama2-7b", "lora", "qkv", llama2_7b[i].rank);
        assert_within(fabs(percent - llama2_7b[i].share), 0.0005); /* printed with three decimals */
    }
}

static const struct {
    const char *preset, *method, *sites;
    int64_t     rank, trained;
} published[] = {
    /* GPT-2B-001, the Tied-LoRA paper's other base: L = 24, d = 2048 */
    { "gpt-2b-001", "lora", "qkv", 2, 393216 },
    { "gpt-2b-001", "lora", "qkv", 8, 1572864 },
    { "gpt-2b-001", "lora", "qkv", 32, 6291456 },
    { "gpt-2b-001", "lora", "qkv", 128, 25165824 },
    { "gpt-2b-001", "vera", "qkv", 2, 147504 },
    { "gpt-2b-001", "vera", "qkv", 8, 147648 },
    { "gpt-2b-001", "vera", "qkv", 32, 148224 },
    { "gpt-2b-001", "vera", "qkv", 128, 150528 },
    { "gpt-2b-001", "tied-lora-ab", "qkv", 2, 16384 },
    { "gpt-2b-001", "tied-lora-ab", "qkv", 8, 65536 },
    { "gpt-2b-001", "tied-lora-ab", "qkv", 32, 262144 },
    { "gpt-2b-001", "tied-lora-ab", "qkv", 128, 1048576 },
    { "gpt-2b-001", "tied-lora", "qkv", 2, 163888 },
    { "gpt-2b-001", "tied-lora", "qkv", 8, 213184 },
    { "gpt-2b-001", "tied-lora", "qkv", 32, 410368 },
    { "gpt-2b-001", "tied-lora", "qkv", 128, 1199104 },
    /* Tied-LoRA as others counted it: PRoLoRA (4.60M, 4.99M), VB-LoRA (0.043M, 0.066M) */
    { "llama2-7b", "tied-lora", "qkv", 256, 4595712 },
    { "llama2-7b", "tied-lora", "qkv", 280, 4989696 },
    { "roberta-base", "tied-lora", "q,v", 8, 43200 },
    { "roberta-large", "tied-lora", "q,v", 4, 65728 },
    /* VeRA: the paper's 0.043M, 0.061M and 1.4M; PEFT's result file */
    { "roberta-base", "vera", "q,v", 1024, 43008 },
    { "roberta-large", "vera", "q,v", 256, 61440 },
    { "llama2-7b", "vera", "all", 256, 1417216 },
    { "llama3.2-3b", "vera", "q,v", 256, 129024 },
    /* PEFT's result files: AdaLoRA, LoRA, rsLoRA, LoRA-FA, LoRA on the MLP */
    { "llama3.2-3b", "adalora", "q,v", 64, 18353664 },
    { "llama3.2-3b", "lora", "q,v", 32, 9175040 },
    { "llama3.2-3b", "lora", "q,v", 64, 18350080 },
    { "llama3.2-3b", "rslora", "q,v", 64, 18350080 },
    { "llama3.2-3b", "lora-fa", "q,v", 32, 3670016 },
    { "llama3.2-3b", "lora", "gate,up,down", 10, 9461760 },
    { "llama3.2-3b", "lora", "q,v", 1, 286720 },
    { "llama2-7b", "lora", "all", 64, 159907840 },
    /* LoTR's own documentation: one pair for q and v, a core per module */
    { "roberta-base", "A=model:train:normal,R=layer:train:zero,B=model:train:normal", "q,v", 2, 3168 },
    { "llama3.2-3b", "lotr", "q,v", 16, 10240 * 16 + 56 * 16 * 16 },
};

static void other_published_counts_to_the_digit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        int64_t n = count(published[i].preset, published[i].method, published[i].sites, published[i].rank);
        if (n != published[i].trained)
            fail_msg("%s %s r=%d: %lld, published %lld", published[i].preset, published[i].method,
                     (int)published[i].rank, (long long)n, (long long)published[i].trained);
    }
}

static void scopes_count_their_instances(void **state)
{
    (void)state; /* 28 layers; q is 3072 -> 3072, v is 3072 -> 1024 */
    int64_t A = 2 * 3072 * 4, B = (3072 + 1024) * 4;
    assert_int_equal(count("llama3.2-3b", "A=group:14:train,B=tied:train", "q,v", 4), 2 * A + B);
    assert_int_equal(count("llama3.2-3b", "A=group:5:train,B=layer:frozen,v=group:27:train:zero", "q,v", 4),
                     6 * A + 2 * (3072 + 1024));
    assert_int_equal(count("llama3.2-3b", "A=model:train,B=model:train", "q,v", 4), (3072 + 3072) * 4);
    assert_int_equal(count("llama3.2-3b", "A=model:frozen,u=model:train,R=tied:train,B=model:train", "q,v", 4),
                     4 + 2 * 16 + 3072 * 4);
    model_config  c;
    method        m;
    method_counts n;
    assert_ok(config_load(&c, "llama3.2-3b"));
    assert_ok(method_find(&m, "vera"));
    assert_ok(method_count(&n, &m, &c, 1u << SITE_Q | 1u << SITE_V, 256));
    assert_int_equal(n.frozen, 256 * (3072 + 3072));
    assert_int_equal(n.per_factor[FACTOR_U], 56 * 256);
    assert_int_equal(n.per_scope[SCOPE_LAYER], 129024);
    assert_input_error(method_count(&n, &m, &c, 1u << SITE_Q, 0), "must be 1..65536");
    assert_input_error(method_count(&n, &m, &c, 0, 1), "no site");
}

static void rows_are_specs_that_read_back(void **state)
{
    (void)state;
    int rows = 0;
    for (const method *m; (m = method_row(rows)); rows++) {
        char   text[METHOD_SPEC_MAX], again[METHOD_SPEC_MAX];
        method named, spelt;
        method_spec(m, text, sizeof text);
        assert_ok(method_find(&spelt, text));
        method_spec(&spelt, again, sizeof again);
        assert_string_equal(text, again);
        assert_string_equal(spelt.name, text);
        assert_ok(method_find(&named, m->name));
        assert_memory_equal(named.factor, spelt.factor, sizeof named.factor);
        assert_true(named.name == m->name && named.rule == spelt.rule);
    }
    assert_true(rows > 0);
}

static void canonical(const char *spec, const char *want)
{
    method m;
    char   text[METHOD_SPEC_MAX];
    assert_ok(method_find(&m, spec));
    method_spec(&m, text, sizeof text);
    assert_string_equal(text, want);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    canonical("A=layer:train,B=layer:train", "A=layer:train:kaiming,B=layer:train:zero,s=1");
    canonical("B=layer:train,A=tied:train:zero", "A=tied:train:zero,B=layer:train:kaiming,s=1");
    canonical("A=tied:train,u=layer:train:ones,B=layer:train:zero,v=one,s=1",
              "A=tied:train:kaiming,u=layer:train:ones,B=layer:train:zero,s=1");
    canonical(
        "A=tied:train, R=layer:frozen, B=group:3:train, u=layer:train, v=tied:train, s=alpha/sqrt(r)",
        "A=tied:train:kaiming,u=layer:train:ones,R=layer:frozen:eye,B=group:3:train:zero,v=tied:train:ones,s=alpha/sqrt(r)");
    canonical("A=layer:train:normal:0.02,B=layer:train:xavier,v=layer:train:0,u=layer:frozen:-1.5,s=0.1",
              "A=layer:train:normal:0.02,u=layer:frozen:-1.5,B=layer:train:xavier,v=layer:train:zero,s=0.1");
}

static void scales_follow_their_rule(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double      want; /* alpha 6, r 4 */
    } cases[] = { { "lora", 1.5 },
                  { "rslora", 3 },
                  { "adalora", 6 / (4 + 1e-5) },
                  { "vera", 1 },
                  { "A=layer:train,B=layer:train,s=-2.5", -2.5 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        method m;
        assert_ok(method_find(&m, cases[i].name));
        assert_true(method_scale(&m, 6, 4) == cases[i].want);
        assert_int_equal(method_takes_alpha(&m), i < 3);
    }
}

static void peft_types_follow_the_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } cases[] = { { "lora", "LORA" },
                  { "rslora", "LORA" },
                  { "lora-fa", "LORA" },
                  { "vera", "VERA" },
                  { "adalora", "ADALORA" },
                  { "tied-lora", NULL },
                  { "sharelora-a", NULL },
                  { "moslora", NULL },
                  { "lotr", NULL },
                  { "A=layer:train:zero,B=layer:train", "LORA" },
                  { "A=group:1:train,B=layer:train", NULL } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        method m;
        assert_ok(method_find(&m, cases[i].name));
        assert_true(cases[i].type ? m.peft && !strcmp(m.peft, cases[i].type) : !m.peft);
    }
}

static void bad_methods_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "lroa", "did you mean lora?" },
        { "tied_lora", "did you mean tied-lora?" },
        { "full", "no adapter" },
        { "", "no such method" },
        { "A=layer:train", "B is missing" },
        { "A=one,B=layer:train", "A is missing" },
        { "A=layer:frozen,B=layer:frozen,v=layer:frozen:zero", "nothing is trained" },
        { "A=layer:train,B=layer:train:ones", "no factor starts at zero" },
        { "A=layer:train,B=layer:train:zero,v=layer:train:zero", "2 factors start at zero" },
        { "A=layer:train,B=layer:frozen", "B starts at zero and is frozen" },
        { "A=layer:train,u=layer:frozen:0,B=layer:train", "u starts at zero and is frozen" },
        { "C=layer:train", "\"C=layer:train\"" },
        { "A=layer:train,A=layer:train", "already given" },
        { "A=tide:train,B=layer:train", "did you mean tied?" },
        { "A=group:train,B=layer:train", "group:train" },
        { "A=group:0:train,B=layer:train", "1..65536" },
        { "A=group", "group:" },
        { "A=layer,B=layer:train", "train or frozen" },
        { "A=layer:trained,B=layer:train", "\"trained\"" },
        { "A=layer:train:kaimin,B=layer:train", "did you mean kaiming?" },
        { "A=layer:train:normal:-1,B=layer:train", "above 0" },
        { "A=layer:train:normal:nan,B=layer:train", "above 0" },
        { "A=layer:train:kaiming:2,B=layer:train", "takes no argument" },
        { "A=layer:train:1:2,B=layer:train", "nothing may follow" },
        { "A=layer:train:normal:1:2,B=layer:train", "\"2\" follows" },
        { "A=layer:train,u=layer:train:xavier,B=layer:train", "for matrices" },
        { "A=layer:train:vera,B=layer:train", "scope model" },
        { "A=layer:train,B=layer:train,v=one:train", "nothing to train" },
        { "A=layer:train,B=layer:train,s=alpha*r", "s must be" },
        { "A=layer:train,B=layer:train,s=0", "s must be" },
        { "A=layer:train,B=layer:train,s=1e999", "s must be" },
        { "A=layer:train,,B=layer:train", "\"\"" },
        { "=", "\"=\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        method m;
        assert_input_error(method_find(&m, cases[i].text), cases[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tied_lora_table_to_the_digit), cmocka_unit_test(other_published_counts_to_the_digit),
        cmocka_unit_test(scopes_count_their_instances), cmocka_unit_test(rows_are_specs_that_read_back),
        cmocka_unit_test(defaults_are_filled_in),       cmocka_unit_test(scales_follow_their_rule),
        cmocka_unit_test(peft_types_follow_the_scopes), cmocka_unit_test(bad_methods_are_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
