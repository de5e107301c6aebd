#include "datasets/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/nearest.h"
#include "core/str.h"
#include "datasets/builder.h"

/* A reader is one row here and one file. `pairs` marks readers whose plain file of one side has its
 * other side beside it. */
static const struct {
    const char *name;
    int (*read)(builder *b, const source *s);
    bool pairs;
} readers[] = {
    { "squad", read_squad },         { "dialogsum", read_dialogsum }, { "iwslt", read_iwslt, .pairs = true },
    { "hellaswag", read_hellaswag }, { "gsm8k", read_gsm8k },         { "text", read_text },
    { "tokens", read_tokens },
};
enum { READERS = sizeof readers / sizeof readers[0] };

const char *dataset_reader_name(int i) { return i >= 0 && i < READERS ? readers[i].name : NULL; }

static int reader_find(const char *name, int *out)
{
    const char *names[READERS + 1] = { 0 };
    for (int i = 0; i < READERS; i++) names[i] = readers[i].name;
    *out = word_index(name, names);
    return *out >= 0 ? OK
                     : input_error("dataset: \"%s\": no such reader%s; there are %s", name,
                                   did_you_mean(name, names).text, words_listed(names, ", ", ", ").text);
}

static void skip_mark(const char **bytes, size_t *n)
{
    if (*n < 3 || memcmp(*bytes, "\xEF\xBB\xBF", 3)) return;
    *bytes += 3;
    *n -= 3;
}

static int check_text(const char *bytes, size_t n, const char *where)
{
    size_t      good = utf8_valid_prefix(bytes, n), line = 1, start = 0;
    const char *nul = n ? memchr(bytes, 0, n) : NULL;
    if (nul && (size_t)(nul - bytes) < good) good = (size_t)(nul - bytes);
    if (good == n) return OK;
    for (size_t i = 0; i < good; i++)
        if (bytes[i] == '\n') line++, start = i + 1;
    if (!bytes[good])
        return input_error("%s: line %zu, byte %zu: a NUL byte; the file must be text", where, line, good - start + 1);
    return input_error("%s: line %zu, byte %zu: 0x%02X is not valid UTF-8; convert the file to UTF-8", where, line,
                       good - start + 1, (unsigned char)bytes[good]);
}

static int parse_with(dataset **out, int reader, source s)
{
    dataset *d  = mem_alloc(1, sizeof *d);
    builder  b  = { .d = d };
    int      rc = check_text(s.bytes, s.n, s.where);
    if (!rc && s.target) rc = check_text(s.target, s.n_target, s.target_where);
    skip_mark(&s.bytes, &s.n);
    if (s.target) skip_mark(&s.target, &s.n_target);
    if (!rc) rc = readers[reader].read(&b, &s);
    if (!rc && !s.n) rc = input_error("%s: is empty; expected a %s file", s.where, readers[reader].name);
    if (!rc && !d->n) rc = input_error("%s: holds no item; is it a %s file?", s.where, readers[reader].name);
    builder_free(&b);
    if (rc) {
        dataset_free(d);
        d = NULL;
    }
    *out = d;
    return rc;
}

int dataset_parse(dataset **out, const char *reader, const char *bytes, size_t n, const char *target, size_t n_target,
                  const char *where)
{
    int r  = 0;
    *out   = NULL;
    int rc = reader_find(reader, &r);
    if (rc) return rc;
    str target_where = { 0 };
    str_printf(&target_where, "the English side of %s", where);
    rc = parse_with(out, r, (source) { bytes, where, n, target, str_c(&target_where), n_target });
    str_free(&target_where);
    return rc;
}

/* "a.de-en.de.xml" -> "a.de-en.en.xml": the last ".de" that is a whole part of the name becomes
 * ".en"; without such a part, the last ".de" at all. NULL when there is none. */
static char *sibling_of(const char *path)
{
    const char *part = NULL, *any = NULL;
    for (const char *c = path_base(path); (c = strstr(c, ".de")); c++) {
        any = c;
        if (c[3] == '\0' || c[3] == '.') part = c;
    }
    if (!any) return NULL;
    char *other = mem_strdup(path);
    memcpy(other + ((part ? part : any) - path), ".en", 3);
    return other;
}

/* Maps the English file that belongs to a German one. */
static int map_sibling(const char *path, char **other, file_map_t *m)
{
    *other = sibling_of(path);
    if (!*other)
        return input_error(
            "%s: a file of German text must have \".de\" in its name: its English side is the file with \".en\" in that place",
            path);
    if (!file_exists(*other))
        return input_error(
            "%s: not found; it is the English side of %s and must lie beside it (give the German side's name)", *other,
            path);
    return file_map(m, *other);
}

static void hash_files(const file_map_t *file, const file_map_t *other, char out[65])
{
    char both[129];
    sha256_hex(file->n ? file->bytes : (const unsigned char *)"", file->n, both);
    if (other->n) sha256_hex(other->bytes, other->n, both + 64);
    if (other->n)
        sha256_hex(both, 128, out);
    else
        memcpy(out, both, 65);
}

int dataset_read(dataset **out, const char *reader, const char *path)
{
    int        r    = 0;
    file_map_t file = { 0 }, target = { 0 };
    char      *other = NULL;
    *out             = NULL;
    int rc           = reader_find(reader, &r);
    if (!rc) rc = file_map(&file, path);
    source s     = { .bytes = file.n ? (const char *)file.bytes : "", .where = path, .n = file.n };
    char   first = first_char(&s);
    if (!rc && readers[r].pairs && first && first != '[' && first != '{') rc = map_sibling(path, &other, &target);
    if (other) {
        s.target       = target.n ? (const char *)target.bytes : "";
        s.n_target     = target.n;
        s.target_where = other;
    }
    if (!rc) rc = parse_with(out, r, s);
    if (!rc) hash_files(&file, &target, (*out)->sha256);
    free(other);
    file_unmap(&file);
    file_unmap(&target);
    return rc;
}

void dataset_free(dataset *d)
{
    if (!d) return;
    free(d->items);
    arena_free(&d->memory);
    free(d);
}

const field *item_fields(const data_item *item, const char *name, int64_t k)
{
    for (int64_t i = 0; i < item->n_fields; i++)
        if (!strcmp(item->fields[i].name, name) && k-- == 0) return &item->fields[i];
    return NULL;
}

const char *item_field(const data_item *item, const char *name)
{
    const field *f = item_fields(item, name, 0);
    return f ? f->text : NULL;
}
