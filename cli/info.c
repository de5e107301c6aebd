#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "core/machine.h"
#include "core/record_fields.h"
#include "kernels/facts.h"
#include "kernels/variant.h"

static bool as_json, records;

/* text without this beginning, where it has it */
static const char *after(const char *text, const char *beginning)
{
    size_t n = strlen(beginning);
    return strncmp(text, beginning, n) ? text : text + n;
}

/* One line a member; those of an object under its name: "gpu.driver". */
static void print_lines(const json *j, const char *under)
{
    for (const json *c = json_members(j); c; c = c->next) {
        str name = { 0 }, v = { 0 };
        str_printf(&name, "%s%s%s", under, *under ? "." : "", c->string);
        json_print(c, &v, false);
        if (json_is_object(c))
            print_lines(c, c->string);
        else
            printf("%-10s %s\n", name.s, json_text(c) ? json_text(c) : v.s);
        str_free(&name);
        str_free(&v);
    }
}

static int print_records(void)
{
    str page = { 0 };
    if (as_json) return input_error("info: --records prints a Markdown page; leave --json out");
    record_fields_print(&page);
    fputs(page.s, stdout);
    str_free(&page);
    return OK;
}

/* The ways in which a device computes an adapted linear, where it has several. */
static json *variants(const backend *be)
{
    json *j = json_object();
    for (const adapted_variant *v = be->adapted; v->name; v++) {
        str text = { 0 };
        str_printf(&text, "%s%s%s", v->about, v->needs[0] ? "; needs " : "", v->needs);
        json_set_str(j, v->name, text.s);
        str_free(&text);
    }
    return j;
}

static int run(int argc, char **argv)
{
    static const option table[] = { { "records", OPT_FLAG, &records,
                                      .help = "print the members of records instead, as a Markdown page" },
                                    { "json", OPT_FLAG, &as_json, .help = "one JSON object on stdout" },
                                    { 0 } };
    int                 rc      = options_parse(&verb_info, table, argc, argv, NULL);
    if (rc) return rc;
    if (records) return print_records();
    json *j = json_object();
    json_set_str(j, "version", TIEBREAK_VERSION);
    json_set_str(j, "commit", build_commit());
    json_set_bool(j, "dirty", build_dirty());
    json_set_str(j, "compiler", build_compiler());
    json_set_str(j, "flags", build_flags());
    json_set_str(j, "cpu", machine_cpu());
    json_set_int(j, "cores", machine_cores());
    json_set_str(j, "os", machine_os());
    const backend *cuda = backend_find("cuda");
    json_set_str(j, "cuda", cuda ? cuda->about : after(error_text(), "cuda: "));
    json *gpu = backend_facts(cuda);
    if (gpu) json_set(j, "gpu", gpu);
    if (cuda) json_set(j, "variants", variants(backend_find("cuda-bf16")));
    if (!as_json) print_lines(j, "");
    as_json ? json_show(j) : json_free(j);
    return OK;
}

const verb verb_info = { "info", "what was found on this machine", "[--json] | --records",
                         "  tiebreak info\n  tiebreak info --records >records.md\n", run };
