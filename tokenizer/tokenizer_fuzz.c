/* A tokenizer.json up to the first NUL byte, and a text after it: either it is refused with a
 * message, or encoding and decoding keep their promises. Bytes without a NUL are a text for two
 * small valid tokenizers, one byte-level and one SentencePiece-style, and must come back from them
 * unchanged. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

static const char byte_level[] =
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+"
    "|"
    "\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\"},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]},\"decoder\":{\"type\":\"ByteLevel\"},";
static const char sentences[] =
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":"
    "\" \"},"
    "\"content\":\"\xE2\x96\x81\"}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":"
    "\"Strip\","
    "\"content\":\"_\",\"start\":1,\"stop\":0},{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}]},";
static const char merges[] = "\"merges\":[\"a b\",\"ab a\",\"_ a\",\"a a\",\"aa aa\",\"ab ab\"]}}";
static const char words[]  = "\"ab\":300,\"aba\":301,\"_a\":302,\"aa\":303,\"aaaa\":304,\"abab\":305,";

static tokenizer *make(const char *steps, bool bytes)
{
    str        text = { 0 };
    tokenizer *t;
    str_printf(&text, "{%s\"added_tokens\":[],\"model\":{\"byte_fallback\":%s,\"vocab\":{%s", steps,
               bytes ? "false" : "true", words);
    if (!bytes) str_puts(&text, "\"a\":400,\"b\":401,\"_\":402,\"\xE2\x96\x81\":403,");
    for (unsigned b = 0; b < 256; b++) {
        char c[5] = { 0 };
        utf8_encode(byte_to_char((unsigned char)b), c);
        if (bytes)
            str_printf(&text, "\"%s%s\":%u%s", c[0] == '"' || c[0] == '\\' ? "\\" : "", c, b, b < 255 ? "," : "");
        else
            str_printf(&text, "\"<0x%02X>\":%u%s", b, b, b < 255 ? "," : "");
    }
    str_printf(&text, "},%s", merges);
    if (tokenizer_parse(&t, text.s, text.n, "built in")) abort();
    str_free(&text);
    return t;
}

/* Encodes and decodes; returns whether the text came back. */
static bool round_trip(tokenizer *t, const char *text, size_t n)
{
    ids v    = { 0 };
    str back = { 0 };
    error_clear();
    int rc = tokenizer_encode(t, text, n, true, &v);
    if (rc && !*error_text()) abort();
    if ((rc == OK) != (utf8_valid_prefix(text, n) == n) && !strstr(error_text(), "gave up")) abort();
    for (size_t i = 0; i < v.n; i++)
        if (v.ids[i] < 0 || v.ids[i] >= tokenizer_vocab(t)) abort();
    if (!rc && tokenizer_decode(t, v.ids, v.n, true, &back)) abort();
    bool same = rc || (back.n == n && !memcmp(str_c(&back), text, n));
    ids_clear(&v);
    (void)tokenizer_encode_plain(t, text, n, false, &v);
    ids_free(&v);
    str_free(&back);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static tokenizer *bytes, *marks;
    const char       *text = (const char *)data, *nul = n ? memchr(data, 0, n) : NULL;
    if (!bytes) {
        bytes = make(byte_level, true);
        marks = make(sentences, false);
    }
    if (nul) {
        tokenizer *t;
        error_clear();
        int rc = tokenizer_parse(&t, text, (size_t)(nul - text), "tokenizer.json");
        if (rc ? !*error_text() || t != NULL : !t) abort();
        if (!rc) (void)round_trip(t, nul + 1, n - (size_t)(nul - text) - 1);
        tokenizer_close(t);
        return 0;
    }
    bool has_mark = n && memmem(text, n, "\xE2\x96\x81", 3); /* the mark decodes to a blank */
    if (!round_trip(bytes, text, n) || (!round_trip(marks, text, n) && !has_mark)) abort();
    return 0;
}
