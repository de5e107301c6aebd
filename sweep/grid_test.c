#include "sweep/grid.h"
#include "core/error.h"
#include "core/file.h"
#include "core/test.h"

static grid_use use_of(const char *name)
{
    if (!strcmp(name, "limit") || !strcmp(name, "max-new-tokens") || !strcmp(name, "fewshot")) return GRID_EVAL;
    if (!strcmp(name, "valid")) return GRID_TRAIN_FILE;
    return strcmp(name, "fewshot-data") ? GRID_TRAIN : GRID_EVAL_FILE;
}

/* What a verb's table would say. */
static int refuse_wrong(const command_line *c)
{
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->args[i], "--wrong")) return input_error("--wrong is no option");
    return OK;
}

static grid read_text(const char *text, int64_t seeds_max, int want)
{
    char *dir = test_tmpdir(), *path = path_join(dir, "g.json");
    grid  g;
    assert_ok(file_write_atomic(path, text, strlen(text)));
    grid_request request = { path, "out", 2, seeds_max, use_of, refuse_wrong };
    int          rc      = grid_read(&g, &request);
    if (rc != want) fail_msg("status %d: %s", rc, error_text());
    free(path);
    test_rmdir(dir);
    return g;
}

static const char text[] =
    "{\"model\":\"/b\",\"seeds\":[3,4],\"steps\":5,\"lr\":0.001,\"limit\":7,"
    "\"tasks\":[{\"task\":\"squad\",\"train\":\"/t\",\"test\":\"/e\",\"max-new-tokens\":9},{\"task\":\"gsm8k\",\"train\":\"/"
    "u\",\"test\":\"/f\",\"steps\":6,\"fewshot\":2,\"fewshot-data\":\"/p\"}],"
    "\"methods\":[{\"method\":\"base\"},{\"method\":\"lora\",\"ranks\":[2,8],\"lr\":0.25,\"no-shuffle\":true},"
    "{\"method\":\"full\",\"tasks\":[\"gsm8k\"]}]}";

static void cells_are_tasks_times_methods_times_ranks_times_seeds(void **state)
{
    (void)state;
    grid g = read_text(text, 0, OK);
    assert_int_equal(g.n, (1 + 2 * 2) + (1 + 2 * 2 + 2));
    assert_string_equal(g.cells[0].name, "squad/base");
    assert_int_equal(g.cells[0].train.n, 0);
    assert_string_equal(g.cells[1].name, "squad/lora-r2/s3");
    assert_string_equal(g.cells[4].name, "squad/lora-r8/s4");
    assert_string_equal(g.cells[10].name, "gsm8k/full/s3");
    grid_free(&g);
    g = read_text(text, 1, OK);
    assert_int_equal(g.n, 3 + 4);
    grid_free(&g);
}

static void members_are_options_and_the_innermost_wins(void **state)
{
    (void)state;
    grid g = read_text(text, 0, OK);
    str  s = { 0 };
    command_print(&g.cells[1].train, &s);
    assert_string_equal(
        s.s,
        "tiebreak train --model /b --task squad --data /t --method lora --rank 2 --seed 3 --out out/squad/lora-r2/s3/train "
        "--steps 5 --lr 0.25 --no-shuffle --threads 2");
    str_clear(&s);
    command_print(&g.cells[1].eval, &s);
    assert_string_equal(
        s.s,
        "tiebreak eval --model /b --adapter out/squad/lora-r2/s3/train --task squad --data /e --out out/squad/lora-r2/s3/eval "
        "--limit 7 --max-new-tokens 9 --threads 2");
    str_clear(&s);
    command_print(&g.cells[10].eval, &s); /* every weight trained: the model is the cell's own */
    assert_string_equal(
        s.s,
        "tiebreak eval --model out/gsm8k/full/s3/train --task gsm8k --data /f --out out/gsm8k/full/s3/eval --limit 7 "
        "--fewshot 2 --fewshot-data /p --threads 2");
    str_clear(&s);
    command_print(&g.cells[10].train, &s);
    assert_non_null(strstr(s.s, "--steps 6"));
    assert_non_null(strstr(s.s, "--lr 0.001"));
    str_free(&s);
    grid_free(&g);
}

#define GRID(seeds, members)                                                                                           \
    "{\"model\":\"b\",\"seeds\":" seeds                                                                                \
    ",\"tasks\":[{\"task\":\"squad\",\"train\":\"a\",\"test\":\"c\"}],\"methods\":[{"                                  \
    "\"method\":\"lora\"," members "}]}"

/* A list of a method's options is a cell for each combination; paths lie beside the grid. */
static void lists_are_combinations(void **state)
{
    (void)state;
    static const char *const names[] = { "squad/lora-r2-lr0.1-sitesq_v/s1", "squad/lora-r2-lr0.1-sitesqkv/s1",
                                         "squad/lora-r2-lr0.5-sitesq_v/s1", "squad/lora-r2-lr0.5-sitesqkv/s1",
                                         "squad/lora-r4-lr0.1-sitesq_v/s1" };
    str                      command = { 0 };
    grid                     g       = read_text(
                                  GRID("[1]", "\"ranks\":[2,4],\"lr\":[0.1,0.5],\"sites\":[\"q,v\",\"qkv\"],\"valid\":\"held.json\""), 0, OK);
    assert_int_equal(g.n, 8);
    for (int i = 0; i < 5; i++) assert_string_equal(g.cells[i].name, names[i]);
    command_print(&g.cells[2].train, &command);
    assert_non_null(strstr(command.s, "--rank 2 "));
    assert_non_null(strstr(command.s, "--lr 0.5 --sites q,v "));
    assert_non_null(strstr(command.s, "/held.json"));
    assert_null(strstr(command.s, "--valid held.json"));
    str_free(&command);
    grid_free(&g);
}

static void bad_grids_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "[]", "must be a JSON object" },
        { "{\"tasks\":[]}", "\"methods\" is missing" },
        { "{\"tasks\":[{}],\"methods\":[{}]}", "\"task\" is missing" },
        { "{\"tasks\":[],\"methods\":[]}", "\"tasks\": is empty" },
        { "{\"tasks\":[{}],\"methods\":[]}", "\"methods\": is empty" },
        { GRID("[1]", "\"ranks\":16"), "\"ranks\": must be a list" },
        { GRID("[1]", "\"ranks\":[]"), "\"ranks\": is an empty list" },
        { GRID("[1]", "\"lr\":[]"), "\"lr\": is an empty list" },
        { GRID("[1]", "\"tasks\":[\"squd\"]"), "\"squd\" is no task of this grid; did you mean squad?" },
        { GRID("[1]", "\"tasks\":\"squad\""), "must be a list of task names" },
        { GRID("[1]", "\"tasks\":[]"), "must be a list of task names" },
        { GRID("[1]", "\"tasks\":[7]"), "each must be a task's name" },
        { GRID("[1,2,1]", "\"rank\":2"), "\"seeds\": 1 stands there twice" },
        { GRID("[]", "\"rank\":2"), "\"seeds\": must be a list" },
        { GRID("3", "\"rank\":2"), "\"seeds\": must be a list" },
        { GRID("[1.5]", "\"rank\":2"), "each must be a whole number" },
        { GRID("[\"1\"]", "\"rank\":2"), "each must be a whole number" },
        { GRID("[1]", "\"lr\":[0.1,0.1]"), "two cells have the folder squad/lora-lr0.1/s1" },
        { GRID("[1]", "\"wrong\":1"), "the cell squad/lora/s1: --wrong is no option" },
        { "{\"model\":\"b\",\"seeds\":[1],\"tasks\":[{\"task\":\"t\",\"train\":\"a\",\"test\":\"b\",\"steps\":[1]}],\"methods\":[{\"method\":"
          "\"lora\"}]}",
          "\"steps\": an option's" },
        { "{\"model\":\"b\",\"tasks\":[{\"task\":\"t\",\"train\":\"a\",\"test\":\"b\"}],\"methods\":[{\"method\":\"lora\"}]}",
          "\"seeds\" is missing" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_text(cases[i].text, 0, ERR_INPUT);
        if (!strstr(error_text(), cases[i].part)) fail_msg("\"%s\" lacks \"%s\"", error_text(), cases[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_tasks_times_methods_times_ranks_times_seeds),
        cmocka_unit_test(members_are_options_and_the_innermost_wins),
        cmocka_unit_test(lists_are_combinations),
        cmocka_unit_test(bad_grids_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
