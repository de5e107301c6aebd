#include "core/file.h"
#include "core/test.h"
#include "tokenizer/tokenizer.h"

static const char byte_level[] =
    "{\"added_tokens\":[{\"id\":7,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{"
    "\"Sequence\":"
    "{\"id\":\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[7]}}},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xC4\xA0\":3,"
    "\"ab\":4,"
    "\"abc\":5,\"\xC4\xA0"
    "a\":6},\"merges\":[\"a b\",[\"ab\",\"c\"],\"\xC4\xA0 a\"]}}";

static void merges_lowest_rank_first_and_cuts_added_tokens(void **state)
{
    (void)state;
    tokenizer *t;
    ids        v = { 0 };
    str        s = { 0 };
    assert_ok(tokenizer_parse(&t, byte_level, strlen(byte_level), "tokenizer.json"));
    assert_ok(tokenizer_encode(t, "abc ab<s>a", 10, true, &v));
    static const int32_t want[] = { 7, 5, 3, 4, 7, 0 };
    assert_int_equal(v.n, 6);
    assert_memory_equal(v.ids, want, sizeof want);
    assert_ok(tokenizer_decode(t, v.ids, v.n, true, &s));
    assert_string_equal(s.s, "abc aba");
    str_clear(&s);
    assert_ok(tokenizer_decode(t, v.ids, v.n, false, &s));
    assert_string_equal(s.s, "<s>abc ab<s>a");
    assert_int_equal(tokenizer_bos(t), 7);
    assert_int_equal(tokenizer_eos(t), -1);
    assert_input_error(tokenizer_encode(t, "a\xFF", 2, false, &v), "byte 1");
    assert_input_error(tokenizer_decode(t, (int32_t[]) { 99 }, 1, false, &s), "id 99");
    ids_free(&v);
    str_free(&s);
    tokenizer_close(t);
}

/* Sections of tokenizer.json with ' for ". */
static int parse(tokenizer **t, const char *sections)
{
    str text = { 0 };
    str_puts(&text, sections);
    for (char *c = text.s; *c; c++)
        if (*c == '\'') *c = '"';
    int rc = tokenizer_parse(t, text.s, text.n, "tokenizer.json");
    str_free(&text);
    return rc;
}

#define MODEL "'model':{'vocab':{'a':0},'merges':[]}"

static void bad_files_are_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "[]", "must be a JSON object" },
        { "{}", "\"model\" is missing" },
        { "{'model':[]}", "\"model\": []" },
        { "{'model':{'type':'Unigram'}}", "only BPE" },
        { "{'model':{'vocab':{},'merges':[]}}", "vocab is empty" },
        { "{'model':{'vocab':[],'merges':[]}}", "\"vocab\": []" },
        { "{'model':{'vocab':{'a':0},'merges':{}}}", "\"merges\": {}" },
        { "{'model':{'vocab':{'a':-1},'merges':[]}}", "vocab: \"a\": the id must be a whole number" },
        { "{'model':{'vocab':{'a':0.5},'merges':[]}}", "vocab: \"a\": the id must be a whole number" },
        { "{'model':{'vocab':{'a':'0'},'merges':[]}}", "vocab: \"a\": the id must be a whole number" },
        { "{'model':{'vocab':{'a':1e9},'merges':[]}}", "vocab: \"a\": the id must be a whole number" },
        { "{'model':{'vocab':{'a':1e999},'merges':[]}}", "vocab: \"a\"" },
        { "{'model':{'vocab':{'a':16000000},'merges':[]}}", "only 1 tokens" },
        { "{'model':{'vocab':{'a':0,'b':0},'merges':[]}}", "id 0 stands for \"a\" and \"b\"" },
        { "{'model':{'vocab':{'a':0,'a':1},'merges':[]}}", "\"a\" stands twice" },
        { "{'model':{'vocab':{'a':0},'merges':['a b']}}", "merge 1: its part \"b\"" },
        { "{'model':{'vocab':{'a':0,'b':1},'merges':['a b']}}", "merge 1: its result \"ab\"" },
        { "{'model':{'vocab':{'a':0},'merges':[7]}}", "merge 1: must be a string or an array" },
        { "{'model':{'vocab':{'a':0},'merges':['a']}}", "merge 1: \"a\": must be two parts with one blank between" },
        { "{'model':{'vocab':{'a':0,'b c':1},'merges':['a b c']}}", "merge 1: \"a b c\": must be two parts" },
        { "{'model':{'vocab':{'a':0},'merges':[['a']]}}", "merge 1: must be" },
        { "{'model':{'vocab':{'a':0},'merges':[['a',1]]}}", "merge 1: must be" },
        { "{'model':{'vocab':{'a':0},'merges':[],'unk_token':'u'}}", "unk_token \"u\"" },
        { "{'model':{'vocab':{'a':0},'merges':[],'unk_token':1}}", "\"unk_token\": 1" },
        { "{'model':{'vocab':{'a':0},'merges':[],'dropout':0.1}}", "dropout" },
        { "{'model':{'vocab':{'a':0},'merges':[],'byte_fallback':1}}", "\"byte_fallback\": 1" },
        { "{'model':{'vocab':{'a':0},'merges':[],'end_of_word_suffix':'</w>'}}", "end_of_word_suffix" },
        { "{" MODEL ",'added_tokens':{}}", "\"added_tokens\": must be an array" },
        { "{" MODEL ",'added_tokens':[7]}", "an added token: the id" },
        { "{" MODEL ",'added_tokens':[{'id':1}]}", "added_tokens[0]: \"content\" is missing" },
        { "{" MODEL ",'added_tokens':[{'id':1,'content':''}]}", "added_tokens[0]: \"content\" is empty" },
        { "{" MODEL ",'added_tokens':[{'id':1,'content':'x','lstrip':1}]}", "added_tokens[0]: \"lstrip\": 1" },
        { "{" MODEL ",'added_tokens':[{'id':0,'content':'x'}]}", "\"x\" has id 0, which stands for \"a\"" },
        { "{" MODEL ",'added_tokens':[{'id':5,'content':'a'}]}", "\"a\" has id 5, but id 0" },
        { "{" MODEL ",'added_tokens':[{'id':1,'content':'x'},{'id':2,'content':'x'}]}",
          "added_tokens[1]: \"x\" stands twice" },
        { "{" MODEL ",'added_tokens':[{'id':1,'content':' '}],'normalizer':{'type':'Strip'}}", "nothing is left" },
        { "{" MODEL ",'normalizer':7}", "normalizer: must be an object" },
        { "{" MODEL ",'normalizer':{'type':'Precompiled'}}", "normalizer: type \"Precompiled\" is not supported" },
        { "{" MODEL ",'normalizer':{'type':'Sequence','normalizers':[{'type':'NFC'},{'type':'X'}]}}",
          "normalizer: normalizers[1]: type \"X\"" },
        { "{" MODEL ",'normalizer':{'type':'Replace','pattern':{'String':''},'content':''}}", "the pattern is empty" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'('},'behavior':'Isolated'}}",
          "does not compile" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a[b]]'},'behavior':'Isolated'}}",
          "a set inside [ ]" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a&&b]'},'behavior':'Isolated'}}",
          "&& inside [ ]" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a{1,3}+'},'behavior':'Isolated'}}",
          "{ } followed by +" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a'},'behavior':'Sideways'}}",
          "behavior \"Sideways\"" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Metaspace','replacement':'ab'}}", "must be one character" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Metaspace','prepend_scheme':'ever'}}", "prepend_scheme \"ever\"" },
        { "{" MODEL ",'pre_tokenizer':{'type':'Sequence','pretokenizers':[{'type':'ByteLevel'},{'type':'Digits'}]}}",
          "behind ByteLevel" },
        { "{" MODEL ",'decoder':{'type':'WordPiece'}}", "decoder: type \"WordPiece\"" },
        { "{" MODEL ",'decoder':{'type':'Strip','content':' ','start':-1,'stop':0}}", "\"start\": -1" },
        { "{" MODEL ",'post_processor':{'type':'BertProcessing'}}", "post_processor: type \"BertProcessing\"" },
        { "{" MODEL ",'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'s'}}]}}",
          "no ids for \"s\"" },
        { "{" MODEL ",'post_processor':{'type':'TemplateProcessing','single':[]}}", "lacks sequence A" },
        { "{" MODEL ",'post_processor':{'type':'TemplateProcessing','single':[{'Sequence':{'id':'B'}}]}}",
          "sequence A, and once" },
        { "{" MODEL
          ",'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'s'}}],'special_tokens':{'s':{'ids':[9]}}}}",
          "id 9 of \"s\" is not in the vocabulary" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *t;
        assert_input_error(parse(&t, cases[i].text), cases[i].part);
        assert_non_null(strstr(error_text(), "tokenizer.json: "));
        assert_null(t);
    }
    tokenizer *t;
    str        deep = { 0 };
    str_puts(&deep, "{" MODEL ",'decoder':");
    for (int i = 0; i < 9; i++) str_puts(&deep, "{'type':'Sequence','decoders':[");
    for (int i = 0; i < 9; i++) str_puts(&deep, "]}");
    str_puts(&deep, "}");
    assert_input_error(parse(&t, deep.s), "nested deeper");
    str_clear(&deep);
    str_puts(&deep, "{" MODEL ",'normalizer':{'type':'Sequence','normalizers':[{'type':'NFC'}");
    for (int i = 0; i < 40; i++) str_puts(&deep, ",{'type':'NFC'}");
    str_puts(&deep, "]}}");
    assert_input_error(parse(&t, deep.s), "more than 16 steps");
    str_free(&deep);
}

static void folders_and_their_config(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "tokenizer.json"),
         *config = path_join(dir, "tokenizer_config.json");
    tokenizer *t;
    assert_input_error(tokenizer_open(&t, dir), "holds no tokenizer.json");
    assert_ok(file_write_atomic(path, byte_level, strlen(byte_level)));
    static const char good[] = "{\"bos_token\":\"a\",\"eos_token\":{\"content\":\"<s>\"}}";
    assert_ok(file_write_atomic(config, good, strlen(good)));
    assert_ok(tokenizer_open(&t, dir));
    assert_int_equal(tokenizer_bos(t), 0);
    assert_int_equal(tokenizer_eos(t), 7);
    assert_int_equal(tokenizer_vocab(t), 8);
    assert_int_equal(tokenizer_id(t, "abc"), 5);
    assert_int_equal(tokenizer_id(t, "abcd"), -1);
    char sha[65];
    assert_ok(sha256_file(path, sha));
    assert_string_equal(tokenizer_hash(t), sha);
    tokenizer_close(t);
    /* the file itself is opened, so the config beside it does not count */
    assert_ok(tokenizer_open(&t, path));
    assert_int_equal(tokenizer_bos(t), 7);
    tokenizer_close(t);
    static const char unknown[] = "{\"bos_token\":\"nobody\"}";
    assert_ok(file_write_atomic(config, unknown, strlen(unknown)));
    assert_input_error(tokenizer_open(&t, dir), "\"nobody\" is not in the vocabulary");
    assert_null(t);
    free(path);
    free(config);
    test_rmdir(dir);
}

static void the_end_is_found_where_the_folder_has_it(void **state)
{
    (void)state;
    enum { FILES = 5 };
    static const char *const names[FILES] = { "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                              "config.json", "generation_config.json" };
    static const struct {
        const char *text[FILES];
        int         eos;
        int64_t     vocab;
    } cases[] = {
        { { NULL }, -1, 8 },
        { { "{'eos_token':'a'}", "{'eos_token':'<s>'}" }, 0, 8 },
        { { NULL, "{'eos_token':'a'}", NULL, "{'eos_token_id':7}" }, 0, 8 },
        { { "{'eos_token':null}", "{'eos_token':{'content':'<s>'}}" }, 7, 8 },
        { { "{}", NULL, NULL, "{'eos_token_id':1}", "{'eos_token_id':2}" }, 1, 8 },
        { { NULL, NULL, NULL, "{'eos_token_id':[2,1]}" }, 2, 8 },
        { { NULL, NULL, NULL, "{'eos_token_id':null}", "{'eos_token_id':[1]}" }, 1, 8 },
        /* an id that the tokenizer does not have ends nothing */
        { { NULL, NULL, NULL, "{'eos_token_id':9000}" }, -1, 8 },
        { { NULL, "{'eos_token':'<end>'}", "{'<end>':9}" }, 9, 10 },
        { { "{'eos_token':'<end>','added_tokens_decoder':{'8':{'content':'<end>','special':true}}}" }, 8, 9 },
    };
    char *dir = test_tmpdir(), *path = path_join(dir, "tokenizer.json");
    assert_ok(file_write_atomic(path, byte_level, strlen(byte_level)));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *t;
        for (int k = 0; k < FILES; k++) {
            char *file = path_join(dir, names[k]);
            str   text = { 0 };
            str_puts(&text, cases[i].text[k] ? cases[i].text[k] : "");
            for (size_t n = 0; n < text.n; n++)
                if (text.s[n] == '\'') text.s[n] = '"';
            if (text.n)
                assert_ok(file_write_atomic(file, text.s, text.n));
            else
                remove(file);
            str_free(&text);
            free(file);
        }
        assert_ok(tokenizer_open(&t, dir));
        if (tokenizer_eos(t) != cases[i].eos) fail_msg("case %zu: %d", i, tokenizer_eos(t));
        assert_int_equal(tokenizer_vocab(t), cases[i].vocab);
        str text = { 0 }; /* a token of another file is special like any */
        if (cases[i].vocab > 8) assert_ok(tokenizer_decode(t, &cases[i].eos, 1, true, &text));
        assert_int_equal(text.n, 0);
        str_free(&text);
        tokenizer_close(t);
    }
    char             *bad = path_join(dir, "tokenizer_config.json");
    tokenizer        *t;
    static const char id[] = "{\"added_tokens_decoder\":{\"x\":{\"content\":\"<end>\"}}}";
    assert_ok(file_write_atomic(bad, id, strlen(id)));
    assert_input_error(tokenizer_open(&t, dir), "must be a token's id");
    assert_ok(file_write_atomic(bad, "[]", 2));
    assert_input_error(tokenizer_open(&t, dir), "must hold one JSON object");
    free(bad);
    free(path);
    test_rmdir(dir);
}

/* Expected: the ids of the tokenizers library 0.23.3 for the same model section. */
static void merges_and_unknown_characters(void **state)
{
    (void)state;
    static const char vocab[] = "'vocab':{'<unk>':0,'a':1,'b':2,'ab':3,'ba':4,'<0xC3>':5,'<0xA9>':6,'bab':7}";
    static const struct {
        const char *what, *model, *text, *want;
    } cases[] = {
        { "of a pair that stands twice the later rank counts", "'merges':['a b','b a','a b']", "aba", "1 4" },
        { "lowest rank first", "'merges':['a b','b a']", "abab", "3 3" },
        { "not the whole word", "'merges':['a b','b a']", "bab", "2 3" },
        { "the whole word", "'ignore_merges':true,'merges':['a b','b a']", "bab", "7" },
        { "unknown characters", "'merges':[],'unk_token':'<unk>'", "axya", "1 0 0 1" },
        { "fused", "'merges':[],'unk_token':'<unk>','fuse_unk':true", "axya", "1 0 1" },
        { "bytes overtake the unknown token", "'merges':[],'unk_token':'<unk>','byte_fallback':true", "ax\303\251a",
          "1 5 6 0 1" },
        { "and fuse across bytes", "'merges':[],'unk_token':'<unk>','byte_fallback':true,'fuse_unk':true",
          "x\303\251ya", "5 6 0 1" },
        { "no unknown token: nothing", "'merges':[]", "axa", "1 1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str        text = { 0 }, got = { 0 };
        ids        v = { 0 };
        tokenizer *t;
        str_printf(&text, "{'model':{%s,%s}}", vocab, cases[i].model);
        assert_ok(parse(&t, text.s));
        assert_ok(tokenizer_encode(t, cases[i].text, strlen(cases[i].text), false, &v));
        for (size_t k = 0; k < v.n; k++) str_printf(&got, k ? " %d" : "%d", v.ids[k]);
        if (strcmp(str_c(&got), cases[i].want))
            fail_msg("%s: %s became %s, not %s", cases[i].what, cases[i].text, str_c(&got), cases[i].want);
        ids_free(&v);
        str_free(&got);
        str_free(&text);
        tokenizer_close(t);
    }
}

static void special_tokens_can_be_plain_text(void **state)
{
    (void)state;
    tokenizer *t;
    ids        v = { 0 };
    assert_ok(parse(
        &t,
        "{'added_tokens':[{'id':3,'content':'ab','special':true},{'id':4,'content':'b','special':false,'normalized':false}],"
        "'model':{'vocab':{'a':0,'b ':1},'merges':[]}}"));
    assert_ok(tokenizer_encode(t, "abb", 3, false, &v));
    assert_memory_equal(v.ids, ((int32_t[]) { 3, 4 }), 2 * sizeof *v.ids);
    ids_clear(&v);
    /* the b inside is skipped with "ab", as the library does */
    assert_ok(tokenizer_encode_plain(t, "abb", 3, false, &v));
    assert_int_equal(v.n, 2);
    assert_memory_equal(v.ids, ((int32_t[]) { 0, 4 }), 2 * sizeof *v.ids);
    ids_free(&v);
    tokenizer_close(t);
}

/* A run of one letter is one word, and merging along it must not take quadratic time. The text has
 * 3 million bytes, then blanks that a pattern looks ahead over. */
static void long_texts(void **state)
{
    (void)state;
    tokenizer *t;
    size_t     n    = 3u << 20;
    char      *text = malloc(n);
    ids        v    = { 0 };
    assert_ok(parse(&t, "{'model':{'vocab':{'a':0,'aa':1,'aaaa':2},'merges':['a a','aa aa']}}"));
    memset(text, 'a', n);
    assert_ok(tokenizer_encode(t, text, n, false, &v));
    assert_int_equal(v.n, n / 4);
    tokenizer_close(t);
    ids_clear(&v);
    assert_ok(parse(
        &t,
        "{'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+'},'behavior':'Isolated'},"
        "'model':{'vocab':{'a':0,' ':1},'merges':[]}}"));
    memset(text, ' ', n);
    text[n - 1] = 'a';
    assert_ok(tokenizer_encode(t, text, n, false, &v));
    assert_int_equal(v.n, n);
    assert_input_error(tokenizer_encode(t, text, (size_t)TOKENIZER_TEXT_MAX + 1, false, &v), "at most");
    ids_free(&v);
    free(text);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_lowest_rank_first_and_cuts_added_tokens),
        cmocka_unit_test(bad_files_are_refused_with_the_place),
        cmocka_unit_test(folders_and_their_config),
        cmocka_unit_test(the_end_is_found_where_the_folder_has_it),
        cmocka_unit_test(merges_and_unknown_characters),
        cmocka_unit_test(special_tokens_can_be_plain_text),
        cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
