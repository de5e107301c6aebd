/* tokenizer.json's normalizer, pre_tokenizer, decoder and post_processor. Each section is a step or
 * a Sequence of steps, and each kind of step is a row. */
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "tokenizer/tokenizer_private.h"

static const char mark[] = "\xE2\x96\x81"; /* U+2581, SentencePiece's blank */

typedef int (*step_fn)(const loading *l, const json *step, int kind);
typedef struct {
    const char *type;
    step_fn     load;
    int         kind;
} step_row;

/* A section of the file: the name of its list inside a Sequence, and the kinds of steps it may
 * hold. */
typedef struct {
    const char     *name, *list;
    const step_row *rows; /* ends with type NULL */
} section;

static int load_section(const loading *l, const json *step, const section *s, int depth)
{
    const char *type;
    const json *steps;
    if (!step || json_is_null(step)) return OK;
    if (!json_is_object(step)) return input_error("%s: must be an object with a type", l->where);
    if (depth > 4) return input_error("%s: Sequences nested deeper than 4 levels", l->where);
    int rc = json_get_str(step, l->where, "type", &type);
    if (rc) return rc;
    if (strcmp(type, "Sequence")) {
        const char *known[16] = { 0 };
        for (int i = 0; s->rows[i].type; i++) known[i] = s->rows[i].type;
        int i = word_index(type, known);
        return i >= 0 ? s->rows[i].load(l, step, s->rows[i].kind)
                      : input_error("%s: type \"%.40s\" is not supported; supported are %s, Sequence", l->where, type,
                                    words_listed(known, ", ", ", ").text);
    }
    rc    = json_get_array(step, l->where, s->list, &steps);
    int i = 0;
    for (const json *k = rc ? NULL : steps->child; k && !rc; k = k->next) {
        loading in = inside(l, "%s[%d]", s->list, i++);
        rc         = load_section(&in, k, s, depth + 1);
    }
    return rc;
}

static int too_many(const loading *l) { return input_error("%s: more than %d steps", l->where, STEPS_MAX); }

static span copy(const loading *l, const char *s) { return span_of(l->t, s, strlen(s)); }

/* Reads {"String": text} or {"Regex": pattern}, which must not be empty. */
static int read_pattern(const loading *l, const json *step, const char **text, bool *literal)
{
    const json *pattern;
    int         rc = json_get_object(step, l->where, "pattern", &pattern);
    if (rc) return rc;
    *literal = !json_has(pattern, "Regex");
    rc       = json_get_str(pattern, l->where, *literal ? "String" : "Regex", text);
    return !rc && !**text ? input_error("%s: the pattern is empty", l->where) : rc;
}

/* Reads one character as a text. */
static int read_char(const loading *l, const json *step, const char *key, const char *other, const char **out)
{
    unsigned cp;
    int      rc = other ? optional_str(l, step, key, other, out) : json_get_str(step, l->where, key, out);
    size_t   n  = rc ? 0 : strlen(*out);
    if (!rc && (!n || (size_t)utf8_decode(*out, n, &cp) != n))
        rc = input_error("%s: \"%s\": \"%.40s\": must be one character", l->where, key, *out);
    return rc;
}

/* Finds a word in a list; its place goes to *out. */
static int find_word(const loading *l, const char *key, const char *word, const char *const *words, int *out)
{
    *out = word_index(word, words);
    return *out >= 0 ? OK
                     : input_error("%s: %s \"%.40s\": must be %s", l->where, key, word,
                                   words_listed(words, ", ", " or ").text);
}

/* Reads Metaspace's prepend_scheme, or add_prefix_space of older files. */
static int read_scheme(const loading *l, const json *step, prefix_scheme *out)
{
    static const char *const names[] = {
        [PREFIX_NEVER] = "never", [PREFIX_FIRST] = "first", [PREFIX_ALWAYS] = "always", NULL
    };
    const char *name;
    bool        add;
    int         found = 0, rc = optional_bool(l, step, "add_prefix_space", true, &add);
    if (!rc) rc = optional_str(l, step, "prepend_scheme", add ? "always" : "never", &name);
    if (!rc) rc = find_word(l, "prepend_scheme", name, names, &found);
    *out = (prefix_scheme)found;
    return rc;
}

/* ---- normalizer */

static int add_norm(const loading *l, const json *step, int kind)
{
    tokenizer  *t    = l->t;
    norm_step   n    = { .kind = (norm_kind)kind };
    const char *from = "", *to = "";
    bool        literal = true;
    int         rc      = OK;
    if (t->n_norm == STEPS_MAX) return too_many(l);
    if (kind == NORM_PREPEND) rc = json_get_str(step, l->where, "prepend", &to);
    if (kind == NORM_REPLACE) {
        rc = read_pattern(l, step, &from, &literal);
        if (!rc) rc = json_get_str(step, l->where, "content", &to);
        if (!rc && !literal) {
            n.kind = NORM_REPLACE_PATTERN;
            rc     = regex_compile(&n.code, from, false, l->where);
        }
    }
    if (kind == NORM_STRIP) rc = optional_bool(l, step, "strip_left", true, &n.left);
    if (!rc && kind == NORM_STRIP) rc = optional_bool(l, step, "strip_right", true, &n.right);
    if (rc) return rc;
    n.from               = copy(l, from);
    n.to                 = copy(l, to);
    t->norm[t->n_norm++] = n;
    return OK;
}

static const step_row normalizers[] = { { "NFC", add_norm, NORM_NFC },
                                        { "NFD", add_norm, NORM_NFD },
                                        { "NFKC", add_norm, NORM_NFKC },
                                        { "NFKD", add_norm, NORM_NFKD },
                                        { "Lowercase", add_norm, NORM_LOWERCASE },
                                        { "Strip", add_norm, NORM_STRIP },
                                        { "Prepend", add_norm, NORM_PREPEND },
                                        { "Replace", add_norm, NORM_REPLACE },
                                        { NULL } };

/* ---- pre_tokenizer */

/* The pattern of GPT-2's encoder.py, with Unicode's white space. */
static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static int add_split(const loading *l, split_step s, const char *pattern, bool literal)
{
    tokenizer *t = l->t;
    if (t->n_split == STEPS_MAX) return too_many(l);
    if (t->byte_level) return input_error("%s: a step behind ByteLevel is not supported", l->where);
    int rc = pattern ? regex_compile(&s.code, pattern, literal, l->where) : OK;
    if (!rc) t->split[t->n_split++] = s;
    return rc;
}

static int read_behaviour(const loading *l, const json *step, const char *other, split_behaviour *out)
{
    static const char *const names[] = {
        [SPLIT_ISOLATED] = "Isolated",         [SPLIT_REMOVED] = "Removed",
        [SPLIT_CONTIGUOUS] = "Contiguous",     [SPLIT_MERGE_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGE_NEXT] = "MergedWithNext", NULL
    };
    const char *name;
    int         found = 0,
        rc = other ? optional_str(l, step, "behavior", other, &name) : json_get_str(step, l->where, "behavior", &name);
    if (!rc) rc = find_word(l, "behavior", name, names, &found);
    *out = (split_behaviour)found;
    return rc;
}

static int pre_byte_level(const loading *l, const json *step, int kind)
{
    split_step s = { .prefix = copy(l, " ") };
    bool       prefix, pattern;
    int        rc = optional_bool(l, step, "add_prefix_space", true, &prefix);
    if (!rc) rc = optional_bool(l, step, "use_regex", true, &pattern);
    if (rc) return rc;
    s.scheme = prefix ? PREFIX_ALWAYS : PREFIX_NEVER;
    rc       = add_split(l, s, pattern ? gpt2_pattern : NULL, false);
    if (!rc) l->t->byte_level = true;
    return rc;
}

static int pre_split(const loading *l, const json *step, int kind)
{
    split_step  s = { 0 };
    const char *pattern;
    bool        literal;
    int         rc = read_pattern(l, step, &pattern, &literal);
    if (!rc) rc = read_behaviour(l, step, NULL, &s.behaviour);
    if (!rc) rc = optional_bool(l, step, "invert", false, &s.invert);
    return rc ? rc : add_split(l, s, pattern, literal);
}

static int pre_digits(const loading *l, const json *step, int kind)
{
    bool single;
    int  rc = optional_bool(l, step, "individual_digits", false, &single);
    return rc ? rc
              : add_split(l, (split_step) { .behaviour = single ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS }, "\\p{N}", false);
}

static int pre_punctuation(const loading *l, const json *step, int kind)
{
    split_step s  = { 0 };
    int        rc = read_behaviour(l, step, "Isolated", &s.behaviour);
    return rc ? rc : add_split(l, s, "[!-/:-@\\[-`{-~\\p{P}]", false);
}

/* Keeps words and runs of other characters and drops blanks. */
static int pre_whitespace(const loading *l, const json *step, int kind)
{
    static const char pattern[] =
        "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]+|[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}\\s]+";
    return add_split(l, (split_step) { .behaviour = SPLIT_REMOVED, .invert = true }, pattern, false);
}

static int pre_whitespace_split(const loading *l, const json *step, int kind)
{
    return add_split(l, (split_step) { .behaviour = SPLIT_REMOVED }, "\\s", false);
}

static int pre_delimiter(const loading *l, const json *step, int kind)
{
    const char *delimiter;
    int         rc = read_char(l, step, "delimiter", NULL, &delimiter);
    return rc ? rc : add_split(l, (split_step) { .behaviour = SPLIT_REMOVED }, delimiter, true);
}

static int pre_metaspace(const loading *l, const json *step, int kind)
{
    split_step  s = { .behaviour = SPLIT_MERGE_NEXT };
    const char *replacement;
    bool        split;
    int         rc = read_char(l, step, "replacement", mark, &replacement);
    if (!rc) rc = read_scheme(l, step, &s.scheme);
    if (!rc) rc = optional_bool(l, step, "split", true, &split);
    if (rc) return rc;
    s.blank = s.prefix = copy(l, replacement);
    return add_split(l, s, split ? replacement : NULL, true);
}

static const step_row pre_tokenizers[] = { { "ByteLevel", pre_byte_level },
                                           { "Split", pre_split },
                                           { "Digits", pre_digits },
                                           { "Punctuation", pre_punctuation },
                                           { "Whitespace", pre_whitespace },
                                           { "WhitespaceSplit", pre_whitespace_split },
                                           { "CharDelimiterSplit", pre_delimiter },
                                           { "Metaspace", pre_metaspace },
                                           { NULL } };

/* ---- decoder */

static int add_decode(const loading *l, decode_step d, const char *from, const char *to)
{
    tokenizer *t = l->t;
    if (t->n_decode == STEPS_MAX) return too_many(l);
    d.from                   = copy(l, from);
    d.to                     = copy(l, to);
    t->decode[t->n_decode++] = d;
    return OK;
}

static int dec_plain(const loading *l, const json *step, int kind)
{
    return add_decode(l, (decode_step) { .kind = (decode_kind)kind }, "", "");
}

static int dec_replace(const loading *l, const json *step, int kind)
{
    const char *from, *to;
    bool        literal;
    int         rc = read_pattern(l, step, &from, &literal);
    if (!rc && !literal)
        rc = input_error("%s: Replace with a Regex pattern is not supported here, only String", l->where);
    if (!rc) rc = json_get_str(step, l->where, "content", &to);
    return rc ? rc : add_decode(l, (decode_step) { .kind = (decode_kind)kind }, from, to);
}

static int dec_strip(const loading *l, const json *step, int kind)
{
    const char *content;
    int64_t     start, stop;
    int         rc = read_char(l, step, "content", NULL, &content);
    if (!rc) rc = json_get_int(step, l->where, "start", 0, 1 << 20, &start);
    if (!rc) rc = json_get_int(step, l->where, "stop", 0, 1 << 20, &stop);
    return rc ? rc
              : add_decode(l, (decode_step) { .kind = (decode_kind)kind, .start = (int)start, .stop = (int)stop },
                           content, "");
}

static int dec_metaspace(const loading *l, const json *step, int kind)
{
    const char   *replacement;
    prefix_scheme scheme;
    int           rc = read_char(l, step, "replacement", mark, &replacement);
    if (!rc) rc = read_scheme(l, step, &scheme);
    return rc ? rc
              : add_decode(l, (decode_step) { .kind = (decode_kind)kind, .start = scheme != PREFIX_NEVER }, replacement,
                           " ");
}

static const step_row decoders[] = { { "ByteLevel", dec_plain, DEC_BYTE_LEVEL },
                                     { "ByteFallback", dec_plain, DEC_BYTE_FALLBACK },
                                     { "Fuse", dec_plain, DEC_FUSE },
                                     { "Replace", dec_replace, DEC_REPLACE },
                                     { "Strip", dec_strip, DEC_STRIP },
                                     { "Metaspace", dec_metaspace, DEC_METASPACE },
                                     { NULL } };

/* ---- post_processor */

static int template_token(const loading *l, const json *step, const json *special, ids *to)
{
    tokenizer  *t = l->t;
    const char *name;
    int         rc = json_get_str(special, l->where, "id", &name);
    if (rc) return rc;
    const json *row = json_find(json_find(step, "special_tokens"), name), *list = row ? json_find(row, "ids") : NULL;
    if (!json_is_array(list)) return input_error("%s: special_tokens has no ids for \"%.40s\"", l->where, name);
    for (const json *i = list->child; i && !rc; i = i->next) {
        int32_t id = -1;
        rc         = read_id(l, i, &id);
        if (!rc && (id >= t->n_ids || !t->texts[id].s))
            rc = input_error("%s: id %d of \"%.40s\" is not in the vocabulary", l->where, id, name);
        if (!rc) ids_push(to, id);
    }
    return rc;
}

/* Reads `single`: the special tokens before and after sequence A. */
static int post_template(const loading *l, const json *step, int kind)
{
    tokenizer  *t = l->t;
    const json *single;
    int         sequences = 0;
    if (t->prefix.n || t->suffix.n) return input_error("%s: a second template is not supported", l->where);
    int rc = json_get_array(step, l->where, "single", &single);
    for (const json *s = rc ? NULL : single->child; s && !rc; s = s->next) {
        const json *special = json_find(s, "SpecialToken");
        if (special) {
            rc = template_token(l, step, special, sequences ? &t->suffix : &t->prefix);
        } else if (json_find(s, "Sequence")) {
            const json *id = json_find(json_find(s, "Sequence"), "id");
            if (!json_text(id) || strcmp(id->valuestring, "A") || sequences++)
                rc = input_error("%s: \"single\" must hold sequence A, and once", l->where);
        } else {
            rc = input_error("%s: \"single\" must hold SpecialToken and Sequence objects", l->where);
        }
    }
    return !rc && !sequences ? input_error("%s: \"single\" lacks sequence A", l->where) : rc;
}

static int post_offsets_only(const loading *l, const json *step, int kind) { return OK; }

static const step_row processors[] = { { "TemplateProcessing", post_template },
                                       { "ByteLevel", post_offsets_only },
                                       { NULL } };

static int load_named(const loading *l, const json *doc, const section *s)
{
    loading in = inside(l, "%s", s->name);
    return load_section(&in, json_find(doc, s->name), s, 0);
}

int tokenizer_load_steps(const loading *l, const json *doc)
{
    static const section sections[] = { { "normalizer", "normalizers", normalizers },
                                        { "pre_tokenizer", "pretokenizers", pre_tokenizers },
                                        { "decoder", "decoders", decoders } };
    int                  rc         = OK;
    for (size_t i = 0; i < sizeof sections / sizeof *sections && !rc; i++) rc = load_named(l, doc, &sections[i]);
    l->t->has_decoder = json_has(doc, "decoder");
    return rc;
}

int tokenizer_load_template(const loading *l, const json *doc)
{
    static const section post = { "post_processor", "processors", processors };
    return load_named(l, doc, &post);
}
