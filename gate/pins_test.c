/* Pins: what is read, judged, refused and updated. */
#include "gate/pins.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/test.h"

static char *dir;

static int set_up(void **state)
{
    dir = test_tmpdir();
    return 0;
}

static int tear_down(void **state)
{
    test_rmdir(dir);
    return 0;
}

static char *written(const char *name, const char *text)
{
    str s = { 0 };
    str_puts(&s, text);
    assert_ok(file_write_in(dir, name, &s));
    str_free(&s);
    return path_join(dir, name);
}

typedef struct {
    gate_result r;
    gate_set    head;
    int         rc;
} judged;

static judged judge(const char *pinned, const char *counted, const gate_options *o)
{
    judged   j    = { 0 };
    pin_list pins = { 0 };
    char    *p = written("pins.txt", pinned), *c = written("run.counts", counted);
    assert_ok(gate_set_read(&j.head, c));
    assert_ok(pins_read(&pins, p));
    j.rc = pins_judge(&j.r, &pins, &j.head, o);
    if (!j.rc) gate_finish(&j.r);
    pins_free(&pins);
    free(p);
    free(c);
    return j;
}

static void judged_free(judged *j)
{
    gate_result_free(&j->r);
    gate_set_free(&j->head);
}

static void each_count_gets_its_verdict(void **state)
{
    static const struct {
        const char  *pin, *count;
        gate_verdict v;
    } cases[] = {
        { "x 100", "x 100", GATE_EQUIVALENT },
        { "x 100", "x 101", GATE_REGRESSED },
        { "x 100", "x 99", GATE_CHANGED },
        { "x 0", "x 1", GATE_REGRESSED },
        { "x 0", "x 0", GATE_EQUIVALENT },
        { "x 1000 0.5%", "x 1005", GATE_EQUIVALENT },
        { "x 1000 0.5%", "x 1006", GATE_REGRESSED },
        { "x 1000 0.5%", "x 994", GATE_CHANGED },
        { "a b c 7", "a b c 7", GATE_EQUIVALENT },
        { "x\t98304 \r", "x 98308", GATE_REGRESSED },
        { "x 9007199254740991", "x 9007199254740992", GATE_REGRESSED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        judged j = judge(cases[i].pin, cases[i].count, &GATE_DEFAULTS);
        assert_ok(j.rc);
        assert_int_equal(j.r.n, 1);
        if (j.r.cases[0].j.verdict != cases[i].v)
            fail_msg("%s | %s: %s", cases[i].pin, cases[i].count, gate_word(j.r.cases[0].j.verdict));
        assert_int_equal(gate_status(&j.r), cases[i].v == GATE_EQUIVALENT ? OK : ERR_FAILED);
        judged_free(&j);
    }
}

/* The faults that the pins are there for. */
static void a_fault_is_named(void **state)
{
    static const struct {
        const char *why, *count, *words;
        int         status;
    } cases[] = {
        { "an adapter 4 bytes larger", "adapter_bytes 98308\nloop/allocations 0\nop/instructions 200000",
          "adapter_bytes", ERR_FAILED },
        { "one more allocation", "adapter_bytes 98304\nloop/allocations 1\nop/instructions 200000", "loop/allocations",
          ERR_FAILED },
        { "1 % more instructions", "adapter_bytes 98304\nloop/allocations 0\nop/instructions 202000", "op/instructions",
          ERR_FAILED },
        { "a renamed case", "adapter_bytes 98304\nloop/allocs 0\nop/instructions 200000", "loop/allocations: pinned in",
          ERR_INPUT },
        { "its new name", "adapter_bytes 98304\nloop/allocs 0\nop/instructions 200000", "loop/allocs: 0 in",
          ERR_INPUT },
        { "a case that is gone", "adapter_bytes 98304\nloop/allocations 0", "line 4, and the run has no such case",
          ERR_INPUT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        judged j = judge("# a comment\nadapter_bytes 98304\nloop/allocations 0\nop/instructions 200000 0.5%\n",
                         cases[i].count, &GATE_DEFAULTS);
        assert_ok(j.rc);
        error_clear();
        assert_int_equal(gate_status(&j.r), cases[i].status);
        if (!strstr(error_text(), cases[i].words)) fail_msg("%s: \"%s\"", cases[i].why, error_text());
        judged_free(&j);
    }
}

static void only_leaves_out_both_sides(void **state)
{
    gate_options o = GATE_DEFAULTS;
    o.only         = "^a/";
    judged j       = judge("a/x 1\nb/y 2\n", "a/x 1\nb/z 3\n", &o);
    assert_ok(j.rc);
    assert_int_equal(j.r.n, 1);
    assert_ok(gate_status(&j.r));
    judged_free(&j);
    o.only = "none";
    j      = judge("a/x 1\n", "a/x 1\n", &o);
    assert_int_equal(j.rc, ERR_INPUT);
    judged_free(&j);
    o.only = "(";
    j      = judge("a/x 1\n", "a/x 1\n", &o);
    assert_int_equal(j.rc, ERR_INPUT);
    judged_free(&j);
}

static void what_is_no_pin_is_refused_by_line(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "", "holds no pin" },
        { "# only this\n\n", "holds no pin" },
        { "x 1\ny\n", "line 2: \"y\": has no value" },
        { "x 1 2%\n0.5%\n", "line 2" },
        { "x one\n", "line 1: \"one\": a value is" },
        { "x -1\n", "\"-1\"" },
        { "x nan\n", "\"nan\"" },
        { "x 0x10\n", "\"0x10\"" },
        { "x 1.2.3\n", "\"1.2.3\"" },
        { "x 9007199254740994\n", "2^53" },
        { "x 1 101%\n", "\"101%\": a tolerance" },
        { "x 1 %\n", "a tolerance" },
        { "x 1 5%%\n", "a tolerance" },
        { "x 1\ny 2\nx 1\n", "line 3: \"x\": stands on line 1" },
        { "x\xff 1\n", "line 1: is not plain text" },
        { "5\n", "has no value" },
        { " 5%\n", "has no value" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pin_list p;
        error_clear();
        const int rc = pins_parse(&p, cases[i].text, strlen(cases[i].text), "pins.txt");
        if (rc != ERR_INPUT || !strstr(error_text(), cases[i].words)) fail_msg("%zu: %d \"%s\"", i, rc, error_text());
        pins_free(&p);
    }
    pin_list p;
    assert_input_error(pins_parse(&p, "x\0y 1\n", 6, "pins.txt"), "NUL");
    pins_free(&p);
}

static void updating_keeps_comments_order_and_tolerances(void **state)
{
    char *pins    = written("p.txt", "# why\n\ni/b 10 0.5%\n# more\ngone 3\nc 4\n"),
         *run     = written("r.counts", "c 5\ni/a 7\nnew 1\ni/b 12\n");
    gate_set head = { 0 };
    str      text = { 0 };
    assert_ok(gate_set_read(&head, run));
    assert_ok(pins_update(pins, &head));
    assert_ok(file_read(pins, 1000, &text));
    assert_string_equal(str_c(&text), "# why\n\ni/b 12 0.5%\n# more\nc 5\ni/a 7 0.5%\nnew 1\n");
    str_free(&text);
    char *fresh = path_join(dir, "fresh.txt");
    assert_ok(pins_update(fresh, &head));
    assert_ok(file_read(fresh, 1000, &text));
    assert_string_equal(str_c(&text), "# NAME VALUE [TOLERANCE%]\nc 5\ni/a 7\nnew 1\ni/b 12\n");
    str_free(&text);
    /* two files that differ in a count have no pin */
    char *other = written("other.counts", "c 6\n");
    assert_ok(gate_set_read(&head, other));
    assert_input_error(pins_update(pins, &head), "a pin has one value");
    gate_set_free(&head);
    free(other);
    free(fresh);
    free(pins);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_count_gets_its_verdict),
        cmocka_unit_test(a_fault_is_named),
        cmocka_unit_test(only_leaves_out_both_sides),
        cmocka_unit_test(what_is_no_pin_is_refused_by_line),
        cmocka_unit_test(updating_keeps_comments_order_and_tolerances),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
