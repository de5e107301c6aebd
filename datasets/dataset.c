#include "datasets/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/nearest.h"
#include "core/str.h"
#include "datasets/builder.h"

/* A reader is one row here and one file. `pairs`: a plain file of one side has its other side beside it. */
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
static const size_t bytes_max = (size_t)2 << 30;

const char *dataset_reader_name(int i) { return i >= 0 && i < READERS ? readers[i].name : NULL; }

static int reader_find(const char *name, int *out)
{
    const char *names[READERS + 1] = { 0 };
    for (int i = 0; i < READERS; i++) {
        names[i] = readers[i].name;
        if (!strcmp(readers[i].name, name)) {
            *out = i;
            return OK;
        }
    }
    const char *near = nearest_word(name, names);
    return input_error("dataset: \"%s\": no such reader%s%s%s; there are squad, dialogsum, iwslt, hellaswag, gsm8k, text, tokens", name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int parse_with(dataset **out, int reader, const source *s)
{
    dataset *d  = mem_alloc(1, sizeof *d);
    builder  b  = { .d = d };
    int      rc = check_utf8(s->bytes, s->n, s->where);
    if (!rc && s->target) rc = check_utf8(s->target, s->n_target, s->target_where);
    if (!rc) rc = readers[reader].read(&b, s);
    if (!rc && !d->n) rc = input_error("%s: holds no item; is it a %s file?", s->where, readers[reader].name);
    free(b.fields);
    free(b.id);
    if (rc) {
        dataset_free(d);
        d = NULL;
    }
    *out = d;
    return rc;
}

int dataset_parse(dataset **out, const char *reader, const char *bytes, size_t n, const char *target, size_t n_target, const char *where)
{
    int r = 0;
    *out   = NULL;
    int rc = reader_find(reader, &r);
    return rc ? rc : parse_with(out, r, &(source) { bytes, where, n, target, where, n_target });
}

/* "a.de-en.de.xml" -> "a.de-en.en.xml": the last ".de" becomes ".en"; NULL when the name has none. */
static char *sibling_of(const char *path)
{
    const char *at = NULL;
    for (const char *c = path_base(path); (c = strstr(c, ".de")); c++)
        if (c[3] == '\0' || c[3] == '.') at = c;
    if (!at) return NULL;
    char *other = mem_strdup(path);
    memcpy(other + (at - path), ".en", 3);
    return other;
}

/* JSON holds both sides; XML and plain lines have a file each. */
static int read_pair(const char *path, const source *s, char **other, str *target)
{
    char c = first_char(s);
    if (c == '[' || c == '{') return OK;
    *other = sibling_of(path);
    if (!*other) return input_error("%s: a file of German text must have \".de\" in its name, so that its English side (\".en\") can be found", path);
    if (!file_exists(*other)) return input_error("%s: not found; it is the English side of %s and must lie beside it", *other, path);
    return file_read(*other, bytes_max, target);
}

int dataset_read(dataset **out, const char *reader, const char *path)
{
    int   r = 0;
    str   bytes = { 0 }, target = { 0 };
    char *other = NULL;
    *out        = NULL;
    int rc      = reader_find(reader, &r);
    if (!rc) rc = file_read(path, bytes_max, &bytes);
    source s = { str_c(&bytes), path, bytes.n, NULL, NULL, 0 };
    if (!rc && readers[r].pairs) rc = read_pair(path, &s, &other, &target);
    if (other) {
        s.target       = str_c(&target);
        s.n_target     = target.n;
        s.target_where = other;
    }
    if (!rc) rc = parse_with(out, r, &s);
    if (!rc) {
        char both[129];
        sha256_hex(s.bytes, s.n, both);
        if (other) { /* of a pair: the hash of the two hashes */
            sha256_hex(s.target, s.n_target, both + 64);
            sha256_hex(both, 128, (*out)->sha256);
        } else {
            memcpy((*out)->sha256, both, 65);
        }
    }
    free(other);
    str_free(&bytes);
    str_free(&target);
    return rc;
}

void dataset_free(dataset *d)
{
    if (!d) return;
    free(d->items);
    arena_free(&d->memory);
    free(d);
}

const field *record_fields(const data_item *item, const char *name, int64_t k)
{
    for (int64_t i = 0; i < item->n_fields; i++)
        if (!strcmp(item->fields[i].name, name) && k-- == 0) return &item->fields[i];
    return NULL;
}

const char *record_field(const data_item *item, const char *name)
{
    const field *f = record_fields(item, name, 0);
    return f ? f->text : NULL;
}
