#include "core/cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };
static const char started_file[] = "cell.json", left_over[] = ".tmp."; /* in the name of a write cut short */

/* What messages call a cell of a kind, and its files. */
static const struct {
    const char *finished, *work;
    const char *unfinished; /* the file by which a killed cell goes on */
    const char *own;        /* the file that must not be there in a new cell's folder; NULL: any */
} rows[] = {
    [RECORD_TRAIN] = { .finished   = "the finished adapter of another cell",
                       .work       = "training",
                       .unfinished = "checkpoint.safetensors" },
    [RECORD_EVAL]  = { .finished   = "another finished cell",
                       .work       = "scoring",
                       .unfinished = "journal.jsonl",
                       .own        = "samples.jsonl" },
};

static bool has_folder(const cell *c) { return c->out && c->kind != RECORD_BENCH; }

static char *record_path(const cell *c)
{
    char name[32] = "record.json";
    if (c->kind == RECORD_BENCH) snprintf(name, sizeof name, "bench-%s.json", c->id);
    return path_join(c->out, name);
}

/* --- two configurations compared, member by member */

enum { DIFFERENCES_MAX = 3 };

static void compare(const json *there, const json *here, const char *at, int *count, str *out)
{
    if (json_is_object(there) && json_is_object(here)) {
        for (const json *h = json_members(here); h; h = h->next) {
            str path = { 0 };
            str_printf(&path, "%s%s%s", at, *at ? "." : "", h->string);
            compare(json_find(there, h->string), h, path.s, count, out);
            str_free(&path);
        }
        for (const json *t = json_members(there); t; t = t->next)
            if (!json_find(here, t->string)) compare(t, NULL, t->string, count, out);
        return;
    }
    if (there && here && json_equal(there, here)) return;
    if ((*count)++ >= DIFFERENCES_MAX) return;
    str a = { 0 }, b = { 0 };
    if (there) json_print(there, &a, false);
    if (here) json_print(here, &b, false);
    str_printf(out, "%s%s is %s there and %s here", *count > 1 ? "; " : "", at, there ? a.s : "absent",
               here ? b.s : "absent");
    str_free(&a);
    str_free(&b);
}

void cell_difference(const json *there, const json *here, str *out)
{
    int count = 0;
    compare(there, here, "", &count, out);
    if (count > DIFFERENCES_MAX) str_printf(out, "; and %d more", count - DIFFERENCES_MAX);
}

static int refuse_other(const cell *c, const char *what, const json *there)
{
    str text = { 0 };
    cell_difference(there, c->asked, &text);
    int rc = input_error("%s: holds %s: %s. Choose another --out, or remove the folder", c->out, what, str_c(&text));
    str_free(&text);
    return rc;
}

/* --- looking */

static int look_at_record(cell *c, const char *path)
{
    int rc = record_read(&c->record, path);
    if (rc) return rc;
    const char *kind = record_text(c->record, field_record_kind, "");
    if (record_kind_of(c->record) != c->kind)
        return input_error("%s: holds a record of another kind (%s): choose another --out", c->out, kind);
    if (strcmp(record_text(c->record, field_record_id, ""), c->id))
        return refuse_other(c, rows[c->kind].finished, record_get(c->record, field_record_asked));
    c->state = CELL_FINISHED;
    return OK;
}

/* A record that cannot be read is no reason not to measure its case anew. */
static void look_at_case(cell *c, const char *path)
{
    if (record_read(&c->record, path)) error_clear();
    if (c->record) c->state = CELL_FINISHED;
}

static int look_at_start(cell *c, const char *path)
{
    json *there;
    char  id[17];
    int   rc = json_read_file(&there, path, CONFIG_BYTES_MAX);
    if (rc) return rc;
    c->state = CELL_STARTED;
    record_id(there, id);
    if (strcmp(id, c->id)) rc = refuse_other(c, "an unfinished run of another cell", there);
    json_free(there);
    return rc;
}

/* The name of a file in the folder that no interrupted write left there; false: there is none. */
static bool first_file(const char *dir, char *name, size_t size)
{
    DIR *d = opendir(dir);
    if (!d) return false;
    bool found = false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        found = strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !strstr(e->d_name, left_over);
        snprintf(name, size, "%s", e->d_name);
    }
    closedir(d);
    return found;
}

/* A new cell overwrites nothing. Its own file beside that of an unfinished cell is what a version
 * without cell.json left, and goes on. */
static int look_for_others(const cell *c)
{
    char name[256];
    if (!rows[c->kind].own)
        return first_file(c->out, name, sizeof name)
                   ? input_error("--out %s: holds files that are not a %s cell's (%s): give a new or an empty folder",
                                 c->out, rows[c->kind].work, name)
                   : OK;
    char *own = path_join(c->out, rows[c->kind].own), *unfinished = path_join(c->out, rows[c->kind].unfinished);
    int   rc = OK;
    if (file_exists(own) && !file_exists(unfinished))
        rc = input_error("%s: samples of an unknown run: choose another --out or remove the file", own);
    free(own);
    free(unfinished);
    return rc;
}

int cell_look(cell *c, record_kind kind, const char *out, json *asked)
{
    *c = (cell) { .kind = kind, .out = out, .asked = asked };
    record_id(asked, c->id);
    if (!out) return OK;
    if (file_exists(out) && !file_is_dir(out)) return input_error("--out %s: is a file; --out must be a folder", out);
    char *record = record_path(c), *started = path_join(out, started_file);
    int   rc = OK;
    if (!has_folder(c))
        look_at_case(c, record);
    else if (file_exists(record))
        rc = look_at_record(c, record);
    else
        rc = file_exists(started) ? look_at_start(c, started) : look_for_others(c);
    free(record);
    free(started);
    return rc;
}

/* --- beginning and finishing */

static int lock(cell *c, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return run_error("%s: cannot be opened: %s", path, strerror(errno));
    c->lock = fd;
    if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return OK;
    run_error("%s: another process is %s in this folder; wait for it, or stop it and run the same command again",
              c->out, rows[c->kind].work);
    return ERR_BUSY;
}

int cell_begin(cell *c)
{
    int rc = c->out ? file_make_dirs(c->out) : OK;
    if (rc || !has_folder(c)) return rc;
    char *started = path_join(c->out, started_file);
    if (c->state == CELL_NEW) rc = json_write_file(c->asked, started);
    if (!rc) rc = lock(c, started);
    free(started);
    return rc;
}

static void remove_left_overs(const cell *c)
{
    DIR *d = has_folder(c) ? opendir(c->out) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, started_file) && strcmp(e->d_name, rows[c->kind].unfinished) &&
            !strstr(e->d_name, left_over))
            continue;
        char *path = path_join(c->out, e->d_name);
        unlink(path);
        free(path);
    }
    if (d) closedir(d);
}

int cell_finish(cell *c, json *result, const char *device, int threads, json *gpu)
{
    json_free(c->record);
    c->record = record_new(c->kind, json_copy(c->asked), result, device, threads, gpu);
    if (!c->out) return OK;
    char *path = record_path(c);
    int   rc   = record_write(c->record, path);
    free(path);
    if (!rc) remove_left_overs(c);
    if (!rc) c->state = CELL_FINISHED;
    return rc;
}

json *cell_take_record(cell *c)
{
    json *record = c->record;
    c->record    = NULL;
    return record;
}

void cell_close(cell *c)
{
    json_free(c->asked);
    json_free(c->record);
    if (c->lock) close(c->lock);
    *c = (cell) { 0 };
}
