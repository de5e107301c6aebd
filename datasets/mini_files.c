/* The miniature tasks in the real tasks' file formats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/string_table.h"
#include "datasets/mini.h"
#include "datasets/mini_tasks.h"

static const struct {
    const char *name;
    int64_t     n;
} splits[] = { { "train", 1500 }, { "validation", 100 }, { "test", 200 } };
enum { SPLITS = sizeof splits / sizeof *splits };

/* --- inputs already used, so that no item is in two splits */

typedef struct {
    string_table texts;
    arena        memory; /* owns the texts */
} seen_set;

static bool seen_before(seen_set *s, const str *text)
{
    return string_table_put(&s->texts, arena_strndup(&s->memory, str_c(text), text->n), text->n, 0) >= 0;
}

/* --- a writer for each task: adds n items to files whose text is built whole */

typedef struct {
    const char *split;
    int64_t     i; /* the item's number in its split */
    str         text, second;
} split_file;

static void add_line(split_file *f, json *j)
{
    json_print(j, &f->text, false);
    str_putc(&f->text, '\n');
    json_free(j);
}

static char *item_id(const split_file *f, char *out, size_t size)
{
    snprintf(out, size, "%s_%lld", f->split, (long long)f->i);
    return out;
}

/* Each item is a paragraph of one article:
 * {"data":[{"title":..,"paragraphs":[
 *     {"context":..,"qas":[{"answers":[..],"question":..,"id":..}]}]}],"version":..} */
static void add_squad(split_file *f, const mini_item *x)
{
    char  id[64];
    json *paragraph = json_format("{'context':%s,'qas':[{'answers':[{'answer_start':%lld,'text':%s}],"
                                  "'question':%s,'id':%s}]}",
                                  str_c(&x->text[0]), (long long)x->number, str_c(&x->text[2]), str_c(&x->text[1]),
                                  item_id(f, id, sizeof id));
    str_puts(&f->text, f->i ? ",\n" : "{\"data\": [{\"title\": \"The_island\", \"paragraphs\": [\n");
    json_print(paragraph, &f->text, false);
    json_free(paragraph);
}

static void end_squad(split_file *f) { str_puts(&f->text, "\n]}], \"version\": \"1.1\"}\n"); }

/* As in the original, training and validation have one summary and the test has three. */
static void add_dialogsum(split_file *f, const mini_item *x)
{
    char  id[64];
    bool  test = !strcmp(f->split, "test");
    json *j    = json_object();
    json_set_str(j, "fname", item_id(f, id, sizeof id));
    json_set_str(j, "dialogue", str_c(&x->text[0]));
    for (int i = 0; i < (test ? 3 : 1); i++) {
        char key[24];
        snprintf(key, sizeof key, test ? "summary%d" : "summary", i + 1);
        json_set_str(j, key, str_c(&x->text[1 + i]));
        snprintf(key, sizeof key, test ? "topic%d" : "topic", i + 1);
        json_set_str(j, key, str_c(&x->text[4]));
    }
    add_line(f, j);
}

static void add_iwslt(split_file *f, const mini_item *x)
{
    str_printf(&f->text, "%s\n", str_c(&x->text[0]));
    str_printf(&f->second, "%s\n", str_c(&x->text[1]));
}

static void add_hellaswag(split_file *f, const mini_item *x)
{
    char        text[128];
    const char *line, *split = !strcmp(f->split, "validation") ? "val" : f->split;
    size_t      at      = 0, n;
    json       *endings = json_array();
    snprintf(text, sizeof text, "%s %s", str_c(&x->text[0]), str_c(&x->text[1]));
    json *j = json_format("{'ind':%lld,'activity_label':%s,'ctx_a':%s,'ctx_b':%s,'ctx':%s,'split':%s,"
                          "'split_type':'indomain','label':%lld}",
                          (long long)f->i, str_c(&x->text[3]), str_c(&x->text[0]), str_c(&x->text[1]), text, split,
                          (long long)x->number);
    while (next_line(str_c(&x->text[2]), x->text[2].n, &at, &line, &n)) {
        snprintf(text, sizeof text, "%.*s", (int)n, line);
        json_push(endings, json_of_text(text));
    }
    json_set(j, "endings", endings);
    json_set_str(j, "source_id", "mini~island");
    add_line(f, j);
}

static void add_gsm8k(split_file *f, const mini_item *x)
{
    add_line(f, json_format("{'question':%s,'answer':%s}", str_c(&x->text[0]), str_c(&x->text[1])));
}

static const struct {
    const char *ending, *second;
    void (*add)(split_file *f, const mini_item *x);
    void (*end)(split_file *f);
} formats[MINI_TASKS] = { [MINI_SQUAD]     = { "json", NULL, add_squad, end_squad },
                          [MINI_DIALOGSUM] = { "jsonl", NULL, add_dialogsum, NULL },
                          [MINI_IWSLT]     = { "de", "en", add_iwslt, NULL },
                          [MINI_HELLASWAG] = { "jsonl", NULL, add_hellaswag, NULL },
                          [MINI_GSM8K]     = { "jsonl", NULL, add_gsm8k, NULL } };

static int write_text(const char *dir, const char *split, const char *ending, const str *text)
{
    str path = { 0 };
    str_printf(&path, "%s/%s.%s", dir, split, ending);
    int rc = file_write_atomic(str_c(&path), str_c(text), text->n);
    str_free(&path);
    return rc;
}

static int write_task(const char *dir, uint64_t seed, int t)
{
    rng       r    = rng_stream(seed, mini_tasks[t].name);
    seen_set  seen = { 0 };
    mini_item x    = { 0 };
    int       rc   = file_make_dirs(dir);
    for (int k = 0; k < SPLITS && !rc; k++) {
        split_file f = { .split = splits[k].name };
        for (; f.i < splits[k].n; f.i++) {
            str key = { 0 };
            do {
                mini_item_clear(&x);
                mini_tasks[t].draw(&x, &r);
                str_clear(&key);
                str_printf(&key, "%s %s", str_c(&x.text[0]), str_c(&x.text[1]));
            } while (seen_before(&seen, &key));
            str_free(&key);
            formats[t].add(&f, &x);
        }
        if (formats[t].end) formats[t].end(&f);
        rc = write_text(dir, f.split, formats[t].ending, &f.text);
        if (!rc && formats[t].second) rc = write_text(dir, f.split, formats[t].second, &f.second);
        str_free(&f.text);
        str_free(&f.second);
    }
    mini_item_free(&x);
    string_table_free(&seen.texts);
    arena_free(&seen.memory);
    return rc;
}

int mini_write_tasks(const char *dir, uint64_t seed)
{
    int rc = OK;
    for (int t = 0; t < MINI_TASKS && !rc; t++) {
        char *folder = path_join(dir, mini_tasks[t].name);
        rc           = write_task(folder, seed, t);
        free(folder);
    }
    return rc;
}
