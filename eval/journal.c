#include "eval/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

static const char schema[]     = "tiebreak-eval/1";
static const char own_start[]  = "{\"journal\":"; /* even a first line that was cut short begins so */
static const char sample_key[] = ",\"sample\":";

/* Reads {"journal":...}: its cell and its plan. False when the line is something else. */
static bool read_head(const char *line, size_t n, char id[17], str *plan)
{
    json       *head;
    const char *text, *cell, *planned;
    if (json_parse(&head, line, n, "journal")) return false;
    bool ok = json_is_object(head) && !json_get_str(head, "journal", "journal", &text) && !strcmp(text, schema) &&
              !json_get_str(head, "journal", "cell", &cell) && strlen(cell) == 16 &&
              !json_get_str(head, "journal", "plan", &planned);
    if (ok) {
        memcpy(id, cell, 17);
        str_puts(plan, planned);
    }
    json_free(head);
    return ok;
}

/* False when the line does not hold what this run writes. */
static bool read_item(journal *j, const char *line, size_t n)
{
    const char   *sample = memmem(line, n, sample_key, sizeof sample_key - 1);
    json         *one;
    const json   *stats;
    int64_t       item;
    finished_item f = { .finished = true };
    if (!sample || line[n - 1] != '}' || json_parse(&one, line, n, "journal")) return false;
    bool ok = !json_get_int(one, "journal", "item", 0, j->n - 1, &item) &&
              !json_get_int(one, "journal", "cut", 0, INT64_MAX / 2, &f.cut) &&
              !json_get_int(one, "journal", "seen", 0, INT64_MAX / 2, &f.prompt_tokens) &&
              !json_get_int(one, "journal", "made", 0, INT64_MAX / 2, &f.completion_tokens) &&
              !json_get_array(one, "journal", "stats", &stats) && json_size(stats) == j->n_stats;
    if (ok && !j->items[item].finished) {
        int k    = 0;
        f.stats  = mem_alloc((size_t)j->n_stats, sizeof *f.stats);
        f.sample = mem_strndup(sample + sizeof sample_key - 1,
                               (size_t)(line + n - 1 - (sample + sizeof sample_key - 1)));
        for (const json *x = stats->child; x; x = x->next) f.stats[k++] = x->valuedouble;
        j->items[item] = f;
    }
    json_free(one);
    return ok;
}

/* Reads what is there. *keep is the number of bytes up to the end of the last whole line, or 0 when
 * the run begins anew. */
static int load(journal *j, const char *cell, const char *plan, size_t *keep)
{
    str         text = { 0 }, planned = { 0 };
    char        id[17] = "";
    size_t      pos    = 0, n;
    const char *line;
    int         rc    = file_read(j->path, (size_t)1 << 36, &text);
    bool        known = !rc && next_line(str_c(&text), text.n, &pos, &line, &n) && line[n] == '\n' &&
                 read_head(line, n, id, &planned);
    *keep = 0;
    if (known && strcmp(id, cell))
        rc = input_error(
            "%s: an unfinished run of another cell (%s, now asked: %s): choose another --out or remove the folder",
            j->path, id, cell);
    else if (known && !strcmp(str_c(&planned), plan))
        for (*keep = pos; next_line(text.s, text.n, &pos, &line, &n) && line[n] == '\n' && n && read_item(j, line, n);)
            *keep = pos;
    else if (!rc && !known && text.n && strncmp(text.s, own_start, sizeof own_start - 1))
        rc = input_error("%s: not a journal of this program: choose another --out or remove the file", j->path);
    str_free(&text);
    str_free(&planned);
    if (!rc) error_clear();
    return rc;
}

static int write_line(journal *j, const str *line)
{
    if (fwrite(line->s, 1, line->n, j->file) != line->n || fflush(j->file))
        return run_error("%s: cannot write: %s", j->path, strerror(errno));
    return OK;
}

static int begin(journal *j, const char *cell, const char *plan)
{
    str   line = { 0 };
    json *head = json_format("{'journal':%s,'cell':%s,'plan':%s}", schema, cell, plan);
    json_print(head, &line, false);
    str_putc(&line, '\n');
    int rc = write_line(j, &line);
    json_free(head);
    str_free(&line);
    return rc;
}

int journal_open(journal *j, const char *path, const char *cell, const char *plan, int64_t n, int n_stats)
{
    *j          = (journal) { .n = n, .n_stats = n_stats };
    j->items    = mem_alloc((size_t)n, sizeof *j->items);
    size_t keep = 0;
    if (!path) return OK;
    j->path = mem_strdup(path);
    int fd  = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    j->file = fd < 0 ? NULL : fdopen(fd, "r+b");
    if (!j->file) {
        int rc = run_error("%s: cannot write: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return rc;
    }
    if (flock(fd, LOCK_EX | LOCK_NB))
        return run_error("%s: another process is working on this cell: wait for it, or choose another --out", path);
    int rc = load(j, cell, plan, &keep);
    if (rc) return rc;
    if (ftruncate(fd, (off_t)keep) || fseek(j->file, 0, SEEK_END))
        return run_error("%s: cannot write: %s", path, strerror(errno));
    return keep ? OK : begin(j, cell, plan);
}

int journal_add(journal *j, int64_t item, finished_item f)
{
    finished_item *kept = &j->items[item];
    bool           know = kept->finished;
    double        *own  = mem_alloc((size_t)j->n_stats, sizeof *own);
    memcpy(own, f.stats, (size_t)j->n_stats * sizeof *own);
    free(kept->stats);
    free(kept->sample);
    *kept          = f;
    kept->stats    = own;
    kept->finished = true;
    if (!j->file || know) return OK;
    str line = { 0 };
    str_printf(&line, "{\"item\":%lld,\"cut\":%lld,\"seen\":%lld,\"made\":%lld,\"stats\":[", (long long)item,
               (long long)f.cut, (long long)f.prompt_tokens, (long long)f.completion_tokens);
    for (int i = 0; i < j->n_stats; i++) str_printf(&line, "%s%.17g", i ? "," : "", own[i]);
    str_puts(&line, "]");
    str_puts(&line, sample_key);
    str_puts(&line, f.sample);
    str_puts(&line, "}\n");
    int rc = write_line(j, &line);
    str_free(&line);
    return rc;
}

void journal_close(journal *j)
{
    for (int64_t i = 0; j->items && i < j->n; i++) {
        free(j->items[i].stats);
        free(j->items[i].sample);
    }
    free(j->items);
    if (j->file) fclose(j->file);
    free(j->path);
    *j = (journal) { 0 };
}
