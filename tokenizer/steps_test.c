/* Every normaliser, pre-tokenizer, flag of added tokens and decoder against the tokenizers library
 * 0.23.3: `Tokenizer.from_str` of the same sections, then `encode(text, add_special_tokens=False)`
 * or `decode(ids, skip_special_tokens=False)`. */
#include "core/json.h"
#include "core/test.h"
#include "tokenizer/tokenizer.h"

/* Sections of tokenizer.json with ' for ". words: the text's pieces with | between them and *
 * before added tokens. Every piece is a token of the model and ignore_merges is on, so the ids show
 * where the text was cut. */
static const struct {
    const char *what, *sections, *text, *words;
} word_cases[] = {
    { "Isolated", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Isolated'}", "11aa11a",
      "1|1|aa|1|1|a" },
    { "Isolated, inverted",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Isolated','invert':true}", "11aa11a",
      "1|1|aa|1|1|a" },
    { "Removed", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Removed'}", "11aa11a", "aa|a" },
    { "Removed, inverted",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Removed','invert':true}", "11aa11a",
      "1|1|1|1" },
    { "Contiguous", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Contiguous'}", "11aa11a",
      "11|aa|11|a" },
    { "Contiguous, inverted",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'Contiguous','invert':true}", "11aa11a",
      "11|aa|11|a" },
    { "MergedWithPrevious", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'MergedWithPrevious'}",
      "11aa11a", "1|1|aa1|1|a" },
    { "MergedWithPrevious, inverted",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'MergedWithPrevious','invert':true}",
      "11aa11a", "1|1aa|1|1a" },
    { "MergedWithNext", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'MergedWithNext'}",
      "11aa11a", "1|1aa|1|1a" },
    { "MergedWithNext, inverted",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'1'},'behavior':'MergedWithNext','invert':true}", "11aa11a",
      "1|1|aa1|1|a" },
    { "a match of nothing cuts", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(?=1)'},'behavior':'Isolated'}",
      "a1a1", "a|1a|1" },
    { "not again right behind a match",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a*'},'behavior':'Isolated'}", "baac", "b|aa|c" },
    { "a string is no pattern", "'pre_tokenizer':{'type':'Split','pattern':{'String':'.'},'behavior':'Isolated'}",
      "a.b", "a|.|b" },
    { "a line's ends", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'^a|b$'},'behavior':'Isolated'}",
      "ab\012ab\012ba", "a|b|\012|a|b|\012ba" },
    { "white space is Unicode's, U+180E is none",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\s'},'behavior':'Isolated'}",
      "a \341\240\216b\302\205c\034d", "a| |\341\240\216b|\302\205|c\034d" },
    { "also in a list", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[^\\\\S\\\\n]+'},'behavior':'Isolated'}",
      "a \341\240\216\012b", "a| |\341\240\216\012b" },
    { "word characters: marks, numbers, circled letters",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\w+'},'behavior':'Isolated'}",
      "a\314\201\302\262 \342\222\266!a\342\200\215b", "a\314\201\302\262| |\342\222\266|!|a|\342\200\215|b" },
    { "hexadecimal digits", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\h+'},'behavior':'Isolated'}",
      "xyzab12", "xyz|ab12" },
    { "punctuation with symbols",
      "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[[:punct:]]+'},'behavior':'Isolated'}",
      "a$+!b\360\237\230\200", "a|$+!|b|\360\237\230\200" },
    { "caseless beyond ASCII", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(?i:s)'},'behavior':'Isolated'}",
      "a\305\277sSb", "a|\305\277|s|S|b" },
    { "letters of Unicode 16", "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\p{L}+'},'behavior':'Isolated'}",
      "a\360\236\223\220b\341\262\211 1", "a\360\236\223\220b\341\262\211| 1" },
    { "Digits", "'pre_tokenizer':{'type':'Digits','individual_digits':false}", "a12\302\262b\302\275",
      "a|12\302\262|b|\302\275" },
    { "single digits", "'pre_tokenizer':{'type':'Digits','individual_digits':true}", "a12\302\262b",
      "a|1|2|\302\262|b" },
    { "Punctuation", "'pre_tokenizer':{'type':'Punctuation'}", "a,!$b \302\253c", "a|,|!|$|b |\302\253|c" },
    { "Punctuation, contiguous", "'pre_tokenizer':{'type':'Punctuation','behavior':'Contiguous'}", "a,!$b", "a|,!$|b" },
    { "Whitespace", "'pre_tokenizer':{'type':'Whitespace'}", "a_b\302\262, a\342\200\215b!! 12\302\275",
      "a_b|\302\262,|a\342\200\215b|!!|12|\302\275" },
    { "WhitespaceSplit", "'pre_tokenizer':{'type':'WhitespaceSplit'}", "a  b\302\240c\012\034d", "a|b|c|\034d" },
    { "CharDelimiterSplit", "'pre_tokenizer':{'type':'CharDelimiterSplit','delimiter':'\303\251'}",
      "a\303\251b\303\251\303\251", "a|b" },
    { "Metaspace, always",
      "'added_tokens':[{'id':900,'content':'<s>','special':true}],'pre_tokenizer':{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'"
      "always'}",
      "a  b<s>a b", "\342\226\201a|\342\226\201|\342\226\201b|*<s>|\342\226\201a|\342\226\201b" },
    { "Metaspace, first",
      "'added_tokens':[{'id':900,'content':'<s>','special':true}],'pre_tokenizer':{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'"
      "first'}",
      "a  b<s>a b", "\342\226\201a|\342\226\201|\342\226\201b|*<s>|a|\342\226\201b" },
    { "Metaspace, never",
      "'added_tokens':[{'id':900,'content':'<s>','special':true}],'pre_tokenizer':{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'"
      "never'}",
      "a  b<s>a b", "a|\342\226\201|\342\226\201b|*<s>|a|\342\226\201b" },
    { "Metaspace uncut",
      "'pre_tokenizer':{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'always','split':false}",
      " a b", "\342\226\201a\342\226\201b" },
    { "a Sequence of steps",
      "'pre_tokenizer':{'type':'Sequence','pretokenizers':[{'type':'Digits','individual_digits':false},{'type':'Split','pattern':{'Regex':'b'},'"
      "behavior':'MergedWithPrevious','invert':false}]}",
      "ab1bab12", "ab|1|b|ab|12" },
    { "NFC", "'normalizer':{'type':'Sequence','normalizers':[{'type':'NFC'}]}", "e\314\201\357\254\201",
      "\303\251\357\254\201" },
    { "NFD", "'normalizer':{'type':'Sequence','normalizers':[{'type':'NFD'}]}", "\303\251\357\254\201",
      "e\314\201\357\254\201" },
    { "NFKC", "'normalizer':{'type':'Sequence','normalizers':[{'type':'NFKC'}]}", "e\314\201\357\254\201",
      "\303\251fi" },
    { "NFKD", "'normalizer':{'type':'Sequence','normalizers':[{'type':'NFKD'}]}", "\303\251\357\254\201",
      "e\314\201fi" },
    { "Lowercase", "'normalizer':{'type':'Sequence','normalizers':[{'type':'Lowercase'}]}", "A\303\211\304\260\303\237",
      "a\303\251i\314\207\303\237" },
    { "Strip", "'normalizer':{'type':'Sequence','normalizers':[{'type':'Strip','strip_left':true,'strip_right':true}]}",
      " \302\240a b\012", "a b" },
    { "Strip, one end",
      "'normalizer':{'type':'Sequence','normalizers':[{'type':'Strip','strip_left':true,'strip_right':false}]}", " a ",
      "a " },
    { "Replace by pattern",
      "'normalizer':{'type':'Sequence','normalizers':[{'type':'Replace','pattern':{'Regex':'\\\\s+'},'content':'_'}]}",
      "a \012 b", "a_b" },
    { "each piece is normalised on its own",
      "'normalizer':{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'\342\226\201'},{'type':'Replace','pattern':{'String':' "
      "'},'content':'\342\226\201'}]},'added_tokens':[{'id':900,'content':'<s>','special':true}]",
      "a b<s>c", "\342\226\201a\342\226\201b|*<s>|\342\226\201c" },
    { "a normalised token is found in normalised text",
      "'normalizer':{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'\342\226\201'},{'type':'Replace','pattern':{'String':' "
      "'},'content':'\342\226\201'}]},'added_tokens':[{'id':900,'content':'<s>','normalized':true,'special':true}]",
      "<s>a<s> <s>", "*\342\226\201<s>|a<s>|*\342\226\201<s>" },
    { "the longest token wins",
      "'added_tokens':[{'id':900,'content':'X','special':true},{'id':901,'content':'aXb','special':true}]", "aXbXa",
      "*aXb|*X|a" },
    { "lstrip, rstrip",
      "'added_tokens':[{'id':900,'content':'X','lstrip':true,'special':true},{'id':901,'content':'Y','rstrip':true,'special':true}]",
      "a \302\240X b Y\012 c", "a|*X| b |*Y|c" },
    { "single_word", "'added_tokens':[{'id':900,'content':'X','single_word':true,'special':true}]",
      "X aX X1 (X) X\302\262 X\342\200\215 \342\222\266 X",
      "*X| aX X1 (|*X|) |*X|\302\262 X\342\200\215 \342\222\266 |*X" },
};

static const struct {
    const char *what, *decoder, *tokens, *text;
} decode_cases[] = {
    { "none: blanks between", "null", "ab|c", "ab c" },
    { "Metaspace, always", "{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'always','split':true}",
      "\342\226\201\342\226\201a\342\226\201|b|\342\226\201c", "ab c" },
    { "Metaspace, never", "{'type':'Metaspace','replacement':'\342\226\201','prepend_scheme':'never','split':true}",
      "\342\226\201\342\226\201a\342\226\201|b|\342\226\201c", "  a b c" },
    { "Fuse, Strip",
      "{'type':'Sequence','decoders':[{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':2}]}",
      "  a| b |  | ", " a b  " },
    { "Strip each token", "{'type':'Strip','content':'\303\251','start':1,'stop':1}", "\303\251\303\251a|b\303\251",
      "\303\251ab" },
    { "Replace", "{'type':'Replace','pattern':{'String':'aa'},'content':'b'}", "aaa|a", "baa" },
    { "bytes of a character", "{'type':'ByteFallback'}", "x|<0xC3>|<0xa9>|y", "x\303\251y" },
    { "a run that is not UTF-8", "{'type':'ByteFallback'}", "<0xC3>|<0xA9>|<0xC3>|y",
      "\357\277\275\357\277\275\357\277\275y" },
    { "ByteLevel, ill-formed parts",
      "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}",
      "\304\240a|\303\260|\305\201|\304\272|x|\303\260|\305\201|\304\272|\304\242|\303\244|\302\275|\303\251",
      " a\357\277\275x\360\237\230\200\357\277\275\357\277\275" },
    { "a token outside the alphabet",
      "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}", "\304\240a|a\342\226\201",
      " aa\342\226\201" },
};

/* The parts of a text between |, without the * before them: each once as a vocabulary, and their
 * ids in order. */
typedef struct {
    char   *copy;
    char   *part[32];
    bool    added[32];
    int32_t n;
} pieces;

static pieces split(const char *text)
{
    pieces p    = { .copy = strdup(text) };
    char  *next = p.copy;
    for (char *part; (part = strsep(&next, "|"));) {
        p.added[p.n] = *part == '*';
        p.part[p.n]  = part + p.added[p.n];
        p.n++;
    }
    return p;
}

static int32_t first_same(const pieces *p, int32_t i)
{
    int32_t k = 0;
    while (strcmp(p->part[k], p->part[i])) k++;
    return k;
}

static tokenizer *make(const char *sections, const pieces *p)
{
    tokenizer *t;
    str        text = { 0 };
    str_printf(&text, "{%s,'model':{'ignore_merges':true,'merges':[],'vocab':{'unused':100", sections);
    for (char *c = text.s; *c; c++)
        if (*c == '\'') *c = '"';
    for (int32_t i = 0; i < p->n; i++) {
        if (p->added[i] || first_same(p, i) < i) continue;
        str_putc(&text, ',');
        json_quote(&text, p->part[i], strlen(p->part[i]));
        str_printf(&text, ":%d", i);
    }
    str_puts(&text, "}}}");
    assert_ok(tokenizer_parse(&t, text.s, text.n, "case"));
    str_free(&text);
    return t;
}

static void texts_are_cut_like_the_library_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof word_cases / sizeof *word_cases; i++) {
        pieces     p   = split(word_cases[i].words);
        tokenizer *t   = make(word_cases[i].sections, &p);
        ids        v   = { 0 };
        str        got = { 0 };
        assert_ok(tokenizer_encode(t, word_cases[i].text, strlen(word_cases[i].text), false, &v));
        for (size_t k = 0; k < v.n; k++) {
            str_puts(&got, k ? "|" : "");
            if (v.ids[k] >= 900) str_putc(&got, '*');
            assert_ok(tokenizer_decode(t, &v.ids[k], 1, false, &got));
        }
        if (strcmp(str_c(&got), word_cases[i].words))
            fail_msg("%s: \"%s\" became %s, not %s", word_cases[i].what, word_cases[i].text, str_c(&got),
                     word_cases[i].words);
        str_free(&got);
        ids_free(&v);
        tokenizer_close(t);
        free(p.copy);
    }
}

static void tokens_are_joined_like_the_library_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decode_cases / sizeof *decode_cases; i++) {
        pieces p        = split(decode_cases[i].tokens);
        str    sections = { 0 }, got = { 0 };
        ids    v = { 0 };
        str_printf(&sections, "'decoder':%s", decode_cases[i].decoder);
        tokenizer *t = make(sections.s, &p);
        for (int32_t k = 0; k < p.n; k++) ids_push(&v, first_same(&p, k));
        assert_ok(tokenizer_decode(t, v.ids, v.n, false, &got));
        if (strcmp(str_c(&got), decode_cases[i].text))
            fail_msg("%s: became \"%s\", not \"%s\"", decode_cases[i].what, str_c(&got), decode_cases[i].text);
        str_free(&got);
        str_free(&sections);
        ids_free(&v);
        tokenizer_close(t);
        free(p.copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_like_the_library_does),
        cmocka_unit_test(tokens_are_joined_like_the_library_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
